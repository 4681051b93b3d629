"""Ending: what ends a run early ends it as Ctrl-C does."""

import signal
import sys
import threading

#: the signals that end a run as Ctrl-C does
ENDING = (signal.SIGTERM, signal.SIGHUP) if sys.platform != "win32" else (signal.SIGTERM,)


def end_as_by_ctrl_c() -> None:
    """Have SIGTERM, and the end of the terminal, end the run as Ctrl-C does: hosts stopped, old results whole; who else asked for them keeps them."""
    for number in ENDING:
        if threading.current_thread() is threading.main_thread() and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def end_as_before() -> None:
    """Give the signals back that `end_as_by_ctrl_c` took."""
    for number in ENDING:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(number) is signal.default_int_handler
        ):
            signal.signal(number, signal.SIG_DFL)
