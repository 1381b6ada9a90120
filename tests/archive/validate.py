"""The validator of the profiles' authors (roc-validator), without a network."""

import json
from pathlib import Path

import pytest
from rocrate.vocabs import RO_CRATE

# What the validator would fetch. The library brings the terms of RO-Crate 1.3; of those that an
# archive uses, one was different in 1.1.
BIOSCHEMAS = "https://bioschemas.org/ComputationalWorkflow"
CONTEXTS = {
    "https://w3id.org/ro/crate/1.1/context": {
        **RO_CRATE["@context"],
        "ComputationalWorkflow": BIOSCHEMAS,
    },
    "https://w3id.org/ro/terms/workflow-run/context": {
        "sha256": "https://w3id.org/ro/terms/workflow-run#sha256"
    },
}


def problems(crate: Path, folder: Path) -> tuple[list[str], list[str]]:
    """What a crate must mend, and what it should. folder: for the cache of contexts."""
    pytest.importorskip("rocrate_validator", reason="requirements-validator.lock")
    from rocrate_validator import services
    from rocrate_validator.models import Severity, ValidationSettings

    cache = folder / "contexts"
    remember(cache)
    result = services.validate(
        ValidationSettings(
            rocrate_uri=str(crate),
            profile_identifier="workflow-run-crate-0.5",
            requirement_severity=Severity.RECOMMENDED,
            offline=True,
            cache_path=cache,
            abort_on_first=False,
        )
    )
    issues = result.get_issues(Severity.RECOMMENDED)
    must = [str(one.message) for one in issues if one.severity == Severity.REQUIRED]
    should = [str(one.message) for one in issues if one.severity != Severity.REQUIRED]
    return must, should


def remember(cache: Path) -> None:
    """Write the contexts to a cache of requests, as if they had been fetched."""
    from requests_cache import CachedRequest, CachedResponse, CachedSession

    session = CachedSession(cache_name=str(cache), backend="sqlite", expire_after=-1)
    for url, terms in CONTEXTS.items():
        response = CachedResponse(
            url=url, status_code=200, headers={"Content-Type": "application/ld+json"}
        )
        response._content = json.dumps({"@context": terms}).encode()
        response.request = CachedRequest(method="GET", url=url)
        session.cache.save_response(response)
    session.close()
