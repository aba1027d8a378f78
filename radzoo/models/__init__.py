"""One file per architecture family; `radzoo.registry` reads their decorators."""
