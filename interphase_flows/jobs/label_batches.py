"""Batches of labels between jobs: keys in a campaign, whose ledger has the documents; else the documents in a file."""

import gzip
import json
from collections import Counter
from collections.abc import Sequence

from interphase_flows.jobs.caching import stored_document
from interphase_flows.schemas.label import LabelBatch, LabelDoc, MethodIdentity
from interphase_flows.schemas.origin import Origin
from interphase_flows.storage.archive import decompressed
from interphase_flows.storage.workspace import current_workspace


def label_batch(labels: Sequence[tuple[LabelDoc, Origin]], method: MethodIdentity) -> LabelBatch:
    """Return the batch of some labels by one method, with their origins in the labelled set."""
    batch = LabelBatch(accepted=[], rejected=[], origins={}, method=method)
    for label, origin in labels:
        (batch.accepted if label.status == "accepted" else batch.rejected).append(label.key)
        batch.origins[label.key] = origin
    workspace = current_workspace()
    if labels and not workspace.shares_documents:
        lines = "\n".join(json.dumps(label.model_dump(mode="json")) for label, _ in labels)
        batch.documents.append(
            workspace.artifacts.put_bytes(gzip.compress(lines.encode(), mtime=0), "labels", ".jsonl.gz")
        )
    return batch


def rejections(batch: LabelBatch) -> str:
    """Return how many labels of a batch were rejected, and for which reasons, such as max_force 15."""
    counts = Counter(str(label.reason) for label in load_labels(batch, batch.rejected))
    reasons = ", ".join(f"{reason} {n}" for reason, n in counts.most_common())
    n_all = len(batch.accepted) + len(batch.rejected)
    return f"{len(batch.rejected)} of {n_all} labels rejected: {reasons}"


def load_labels(batch: LabelBatch, keys: Sequence[str]) -> list[LabelDoc]:
    """Return some labels of a batch; missing ones are left out."""
    artifacts = current_workspace().artifacts
    known: dict[str, LabelDoc] = {}
    for ref in batch.documents:
        path = artifacts.get(ref)
        for line in decompressed(path.read_bytes(), f"labels in {path}").splitlines():
            label = LabelDoc.model_validate(json.loads(line))
            known[label.key] = label
    found = [known.get(key) or stored_document("labels", key, LabelDoc) for key in keys]
    return [label for label in found if label is not None]
