"""How a run was made, as the page shows it."""

from __future__ import annotations

from pathlib import Path

from radzoo.report import words


def without_folders(recipe: dict) -> dict:
    """The page is passed on: where the user keeps the files is not for its readers."""
    data = {key: Path(v).name if key in ("index", "test_index") and v else v for key, v in recipe["data"].items()}
    return recipe | {"data": data, "out": recipe["out"] and Path(recipe["out"]).name}


def weights(entries: list[dict]) -> list[dict]:
    """What was loaded, once per file: ways that loaded the same tensors share an entry and stand in its `ways`."""
    merged = []
    for entry in entries:
        content = {key: value for key, value in entry.items() if key != "way"}
        same = next((other for other in merged if other["content"] == content), None)
        if same is None:
            same = {"content": content, "ways": []}
            merged.append(same)
        purpose = [words.PURPOSE[entry["way"]]] if "way" in entry else []
        same["ways"] += [name for name in purpose if name not in same["ways"]]
    return [other["content"] | {"ways": other["ways"]} for other in merged]
