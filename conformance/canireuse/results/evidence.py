"""Evidence: what one record says to a claim."""

from pydantic import BaseModel


class Evidence(BaseModel):
    """One observation that speaks for a claim or against it; `agrees` is None where nothing was observed."""

    case_id: str
    spec: str = ""
    label: str = ""
    #: the id of the record, where a block of the document itself was run
    block: str = ""
    #: the condition under which it was observed: version, way, and what the claims file names
    version: str = ""
    way: str = ""
    when: str = ""
    asserted: object
    observed: object
    agrees: bool | None
    #: what is claimed and what was observed, each a sentence that is true or false on its own
    claimed: str
    found: str
    command: str
    #: the case or the counter-spec in which the same observation came out otherwise
    otherwise: str = ""
    #: what was observed there, if these results have it
    found_otherwise: str = ""
