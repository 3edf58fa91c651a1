"""Texts of log lines that tests wait for. They have no code, so this is the one place that knows their prose."""

# A host, or `tidegate dev` after an edit, replaced one release by another.
SWAPPED = "has taken the place of"
# `tidegate dev` could not load an edited app.
KEPT = "goes on"
# A host could not read the pointer.
POINTER_UNREADABLE = "cannot read the rollout state"
POINTER_WENT_BACK = "the rollout state went back from generation 2 to 1"
# A host refused a release.
RELEASE_REFUSED = "cannot run the release"
