"""Backends whose scripts do something else besides, or instead."""

from dataclasses import replace

from canireuse_adapters.reference import Reference


class SwallowsErrors(Reference):
    """Says that nothing was refused."""

    name = title = "zoo-swallows-errors"

    def step(self, step):
        if step.raises is None:
            super().step(step)
            return
        with self.apart() as body, self.symbols.inside(step):
            self.emit_verb(step)
        code = "try:\n    $*body\nexcept Exception:\n    pass\nobserve('$label', None)"
        self.emit(code, body=body, label=step.expect)


class Forgets(Reference):
    """Leaves observations out."""

    name = title = "zoo-forgets"

    def expect(self, step):
        pass


class Invents(Reference):
    """Observes what nobody asked for."""

    name = title = "zoo-invents"

    def expect(self, step):
        super().expect(step)
        self.emit("observe('all-is-well', True)")


class Wrapped(Reference):
    """Puts lines in front of every script."""

    before = ""

    def translate(self, spec):
        script = super().translate(spec)
        return replace(script, text=f"{self.before}\n{script.text}")


class PrintsRubbish(Wrapped):
    """Writes to the standard output, past Python too, what looks like an answer of a host."""

    name = title = "zoo-prints-rubbish"
    before = (
        'import os\nprint(\'{"finished": {}}\')\nos.write(1, b\'{"observed": {"label": "x", "value": 1}}\\n\\xff\')'
    )


class Hangs(Wrapped):
    """Never comes back."""

    name = title = "zoo-hangs"
    before = "while True: pass"


class Segfaults(Wrapped):
    """Takes its process down."""

    name = title = "zoo-segfaults"
    before = "import ctypes\nctypes.string_at(0)"


class Unimportable(Reference):
    """Needs a framework that is not here."""

    name = title = "zoo-unimportable"
    imports = "import a_framework_that_is_not_here"
    install = "pip install a-framework"


class BreaksAtImport(Reference):
    """Is installed, and cannot be used."""

    name = title = "zoo-breaks-at-import"
    imports = "raise ImportError('libframework.so: cannot open shared object file')"
    install = "pip install a-framework"


class HangsAtImport(Reference):
    """Never gets through its import."""

    name = title = "zoo-hangs-at-import"
    imports = "import time\nprint('looking for devices')\ntime.sleep(1000)"
    install = "pip install a-framework"


class AbortsAtImport(Reference):
    """Takes its process down at import."""

    name = title = "zoo-aborts-at-import"
    imports = "import os\nprint('the driver is too old')\nos.abort()"
    install = "pip install a-framework"


class ExitsWhileTranslating(Reference):
    """Ends the process that asks it for a script."""

    name = title = "zoo-exits-while-translating"

    def get(self, step):
        raise SystemExit("no script today")


class ProbesNothing(Reference):
    """Cannot say where its device is."""

    name = title = "zoo-probes-nothing"

    @classmethod
    def probe(cls, device):
        raise NotImplementedError


NO_ADAPTER = "an entry point may lead to anything"
