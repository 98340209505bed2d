"""Says in words why a path shows the version that it shows: the rules of `winner`, told of these very heads."""

from replicator.core.head import Head, Heads, Kind, winner


def reasons(heads: Heads) -> tuple[str, ...]:
    """A sentence for the winner alone, or one for each version that it stands against."""
    shown = winner(heads)
    if shown is None:
        return ("nothing is known of this path",)
    others = sorted((head for head in heads if head is not shown), key=lambda head: head.rank, reverse=True)
    if not others:
        return ("it is the only version that counts: whoever made it had seen every other",)
    return tuple(_against(shown, other) for other in others)


def _against(shown: Head, other: Head) -> str:
    name = f"{other.dot.node}'s change {other.dot.sequence}"
    if not other.is_live:
        if not shown.is_live:
            return f"{name} deletes it too, {_earlier(shown, other)}"
        return f"{name} deletes it without having seen this version: what somebody changed beats a deletion"
    if shown.kind is Kind.DIRECTORY:
        if other.kind is Kind.DIRECTORY:
            return f"{name} made the same directory, {_earlier(shown, other)}"
        return f"{name} is a file: a directory comes first, because other paths lie in it; the file is kept"
    if shown.content_id == other.content_id:
        return f"{name} has the same content, so there is no conflict; it was made {_earlier(shown, other)}"
    return f"{name} is another file, and neither had seen the other; it was made {_earlier(shown, other)}, and is kept"


def _earlier(shown: Head, other: Head) -> str:
    if shown.stamp_ns == other.stamp_ns:
        return f"at the same moment, where the later name of the node decides ({shown.dot.node})"
    if other.stamp_ns == 0:
        return "before anybody's memory (it was found on a disk that joined)"
    return f"{_span(shown.stamp_ns - other.stamp_ns)} earlier"


def _span(nanoseconds: int) -> str:
    seconds = nanoseconds / 1e9
    if seconds < 120:
        return f"{seconds:.3f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
