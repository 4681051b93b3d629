"""Results made in code: every verdict, several backends and ways, and text that means harm."""

import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from canireuse.judge.verdict import Judged
from canireuse.judge.wording import Observed
from canireuse.results.records import (
    Block,
    Case,
    ClaimLine,
    DocumentLine,
    Environment,
    Footer,
    Header,
    Promise,
    Results,
    ScenarioLine,
    SpecLine,
    digest,
)
from canireuse.results.records import Printed as Output
from canireuse.spec.claims import AsPrinted, Decision, Instead, Remark, Unclaimed
from canireuse_reports import build

HOSTILE = "</script></code><b onmouseover=alert(1)>&amp;\"'"
SCRIPT = f"import torch\n\nx = {HOSTILE!r}  # {HOSTILE}\n\n\tif x: pass\nobserve('shared', 1.0)\n\n"
BACKENDS = {
    "reference": "Reference model",
    "tf1": "TensorFlow 1 graph mode",
    "tf1-eager": "TensorFlow 1 calls, eager",
    "torch": "PyTorch",
}


def environment(backend):
    return Environment(
        id=f"{backend}@cpu", backend=backend, title=BACKENDS.get(backend, backend), about="About it.", asked_device="cpu", device="cpu",
        device_name="cpu:0", python="3.11.7", platform="Linux", packages={"framework": "1.2"}, processors=2,
    )  # fmt: skip


def spec(name, title, backends=("torch",), symptom=None, aliases=()):
    text = f"# {HOSTILE}\ntitle: {title}\nsteps:\n  - expect: shared\n"
    divergence = {
        "backends": list(backends),
        "answers": {"shared": False},
        "because": f"It copies instead {HOSTILE}; tie it again.",
        "source": "pytorch/pytorch#1",
    }
    return SpecLine(
        id=name, title=title, symptom=symptom, aliases=aliases, about=f"Why it matters {HOSTILE}.", sources=["documents/one", "owner/repo#12", "https://example.org/page"],
        contract="sharing", text=text, digest=digest(text), lines={"shared": 4}, divergences=[divergence],
        observes={"shared": Observed(kind="same", of="`w` and `v`")},
    )  # fmt: skip


def case(name, backend, verdict, observed=True, way=None, **more):
    judged = Judged(
        label="shared",
        contract=True,
        observed=observed,
        holds=verdict in {"conforms", "differs"},
        is_declared=verdict == "differs",
        declared=observed,
    )
    ran = verdict not in {"unsupported", "skipped"}
    return Case(
        id=f"{name}@{backend}" + (f"+{way}" if way else ""), spec=name, backend=backend, way={"restore": way} if way else {}, device="cpu",
        environment=f"{backend}@cpu", verdict=verdict, expectations=[judged] if ran else [], spec_digest="d",
        script=SCRIPT if ran else None, script_digest=digest(SCRIPT) if ran else None, idioms=["a few lines"] if ran else [], **more,
    )  # fmt: skip


@pytest.fixture(scope="session")
def results():
    cases = [
        case("ties/kept-on-save", "reference", "conforms"),
        case("ties/kept-on-save", "tf1", "unsupported", reason=f"It has no words {HOSTILE}.", blame="backend"),
        case("ties/kept-on-save", "tf1-eager", "skipped", reason="not here", blame="environment"),
        case("ties/kept-on-save", "torch", "conforms", way="load_state_dict"),
        case("ties/kept-on-save", "torch", "differs", observed=False, way="assign", loudness="silent"),
        case("scopes/reuse-finds", "reference", "conforms"),
        case("scopes/reuse-finds", "tf1", "conforms"),
        case(
            "scopes/reuse-finds",
            "tf1-eager",
            "fails",
            observed=False,
            loudness="silent",
            blame="backend",
            reason=HOSTILE,
        ),
        case(
            "scopes/reuse-finds",
            "torch",
            "error",
            blame="adapter",
            reason="NameError",
            warnings=[{"category": "W", "message": HOSTILE, "line": 3}],
        ),
        case("scopes/all-agree", "reference", "conforms"),
        case("scopes/all-agree", "tf1", "conforms"),
        case(
            "scopes/all-agree",
            "tf1-eager",
            "crash",
            blame="backend",
            reason="killed by SIGSEGV",
            output=f"Fatal error {HOSTILE}",
        ),
        case("scopes/all-agree", "torch", "timeout", blame="backend", reason="no answer"),
    ]
    finds = {"spec": "scopes/reuse-finds", "expect": "shared"}
    more = {"document": "a-document", "where": "Introduction"}
    new = Decision(**finds, asserts=True, when=f"the name is new {HOSTILE}", otherwise="@torch")
    taken = Decision(**finds, asserts=False, when="the name is taken", otherwise="tests/claims/a-document.yaml#other")
    claims = [
        ClaimLine(id="doc-depends", line=1, claim=f"It is shared {HOSTILE}.", decided_by=[new, taken], **more),
        ClaimLine(
            id="doc-opinion", line=2, claim="It is a nice thing to have.", not_checkable="it is an opinion", **more
        ),
        ClaimLine(
            id="doc-refuted",
            line=3,
            claim="Nothing is ever shared between towers.",
            decided_by=[Decision(**finds, asserts=False, otherwise="@tf1-eager")],
            instead=Instead(write=f"Write `get` {HOSTILE} with reuse.", **finds, asserts=True),
            printed=[AsPrinted(block=2, ends="completed")],
            **more,
        ),
        ClaimLine(
            id="doc-refuted-too",
            line=5,
            claim="The second get makes another one.",
            decided_by=[Decision(**finds, asserts=False, otherwise="@tf1-eager")],
            instead=Instead(write="Nothing was run of this.", spec="no/such", expect="x", asserts=1),
            **more,
        ),
        ClaimLine(
            id="doc-confirmed",
            line=6,
            claim="The second get finds the first.",
            decided_by=[Decision(**finds, asserts=True, otherwise="@tf1-eager")],
            **more,
        ),
        ClaimLine(
            id="doc-undecided",
            line=4,
            claim="Who knows what comes of it.",
            decided_by=[Decision(spec="no/such", expect="x", asserts=1, otherwise="@torch")],
            **more,
        ),
        ClaimLine(
            id="other-undecided",
            line=4,
            claim="Nothing of this was run.",
            decided_by=[Decision(spec="no/such", expect="x", asserts=1, otherwise="@torch")],
            where="Introduction",
            document="not-run",
        ),
    ]
    remark = Remark(remark=f"Names are gone {HOSTILE}.", shown_by=[new])
    documents = [
        DocumentLine(
            id="a-document",
            title=f"A document {HOSTILE}",
            stands="tf1",
            remarks=[remark],
            claims_nothing=[Unclaimed(line=9, says=f"Read more of it {HOSTILE}.")],
        ),
        DocumentLine(id="not-run", title="A document of which nothing was run", stands="tf2"),
    ]
    run = {
        "document": "tutorial",
        "file": "tutorial.md",
        "title": f"A tutorial {HOSTILE}",
        "digest": "d",
        "script": SCRIPT,
    }
    run |= {"line": 10, "last_line": 14, "mode": "torch", "device": "cpu", "environment": "torch@cpu"}
    stopped = {"type": "ValueError", "message": f"It is refused {HOSTILE}", "bases": ["ValueError"]}
    promises = [
        Promise(line=11, kind="prints", promised="1", came="1", kept=True),
        Promise(line=12, kind="prints", promised="2", came=f"3 {HOSTILE}"),
        Promise(line=14, kind="prints", promised="4"),
    ]
    blocks = [
        Block(id="tutorial#1@torch", number=1, ended="completed", output=[Output(line=11, text=HOSTILE)], **run),
        Block(id="tutorial#2@torch", number=2, ended="raised", at_line=13, error=stopped, promises=promises, **run),
        Block(id="tutorial#3@torch", number=3, ended="skipped", reason=f"It is not here {HOSTILE}.", **run),
    ]
    specs = [
        spec(
            "ties/kept-on-save",
            "A tie survives being saved",
            symptom="After saving, my lm_head has come loose.",
            aliases=["ties/saved-tie"],
        ),
        spec("scopes/reuse-finds", "Reuse finds it", ("tf1-eager",), "My `generator` is not shared any more."),
        spec("scopes/all-agree", "All agree"),
    ]
    told = {"scenario": f"Something is saved {HOSTILE}", "expects": "it is kept"}
    scenarios = [
        ScenarioLine(
            id="C01",
            specs=["ties/kept-on-save"],
            sources=["owner/repo#12"],
            calls={"torch": ["state_dict", "data ="], "absent": ["save"]},
            **told,
        ),
        ScenarioLine(id="C02", specs=["no/such"], not_tested=f"The rest needs a cluster {HOSTILE}.", **told),
        ScenarioLine(id="C03", not_tested="It needs a device that nobody has.", **told),
        ScenarioLine(id="C04", **told),
    ]
    return Results(
        headers=[Header(canireuse="0.1", started="2026-01-01T00:00:00+00:00", command="canireuse run")],
        environments={f"{name}@cpu": environment(name) for name in BACKENDS},
        specs={one.id: one for one in specs},
        documents={one.id: one for one in documents},
        claims={one.id: one for one in claims},
        scenarios={one.id: one for one in scenarios},
        blocks={one.id: one for one in blocks},
        cases={one.id: one for one in cases},
        footers=[Footer(cases=len(cases), seconds=1.0, verdicts={})],
    )


def way(one, script=SCRIPT, **parts):
    """Return a case as one of another way, with a script of its own."""
    name = f"{one.spec}@{one.backend}" + "".join(f"+{part}" for part in parts.values())
    return one.model_copy(update={"id": name, "way": parts, "script": script, "script_digest": digest(script)})


@pytest.fixture
def many_ways(results):
    """Results in which one backend has 2 ways on 3 engines; one way departs, and on one engine another does too."""
    cases = {name: one for name, one in results.cases.items() if one.backend != "torch"}
    good = results.cases["ties/kept-on-save@torch+load_state_dict"]
    bad = results.cases["ties/kept-on-save@torch+assign"]
    for engine in ("jax", "tf", "pt"):
        script = SCRIPT.replace("import torch", f"import {engine}")
        for restore in ("file", "weights"):
            base = bad if restore == "file" or engine == "jax" else good
            one = way(base, script, engine=engine, restore=restore)
            cases[one.id] = one
    return results.model_copy(update={"cases": cases})


@pytest.fixture(scope="session")
def page(results, tmp_path_factory) -> Path:
    return build(results, tmp_path_factory.mktemp("report") / "index.html")


@pytest.fixture(scope="session")
def chromium():
    """The path of a browser; without one the tests of the page are skipped, in CI they fail."""
    import os

    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None and os.environ.get("CI"):
        pytest.fail("there is no Chromium; CI installs one")
    if found is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def browser(chromium):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, page):
    """Return a function that opens the page; afterwards no console message and no request may have been seen."""
    contexts, noise = [], []

    index = page

    def visit(fragment="", width=1280, page=None, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: noise.append(message.text))
        tab.on("pageerror", lambda error: noise.append(str(error)))
        tab.on(
            "request",
            lambda request: noise.append(request.url) if not request.url.startswith(("file:", "data:")) else None,
        )
        tab.goto((page or index).as_uri() + fragment)
        return tab

    yield visit
    for context in contexts:
        context.close()
    assert noise == []


@pytest.fixture(scope="session")
def axe():
    """Return a function that lists what axe-core finds wrong in a page."""
    source = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")

    def axe(tab, rules=("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")):
        tab.evaluate(source)
        found = tab.evaluate("rules => axe.run(document, {runOnly: rules})", list(rules))["violations"]
        return [(one["id"], one["nodes"][0]["html"][:200]) for one in found]

    return axe
