"""The schema of `engines/*.toml`: one table a model, so that a new model is data, not code.

A recipe says what a model is, where its file comes from and how to know it (bytes,
SHA-256), under which licence, and what its tensors mean.  Names and dtypes of tensors are
read from the model file itself.  Knows the form and the folders; knows nothing of model
files on disk (the store does) and of running them.
"""

from edged.recipe.files import (
    OVERRIDES,
    list_recipes,
    load_recipe,
    read_recipe,
    recipe_folders,
    unknown_model,
    with_converters,
)
from edged.recipe.packs import Archive, Pack, list_packs, read_pack
from edged.recipe.schema import (
    UNPINNED,
    Batch,
    Contract,
    Family,
    Kind,
    Licence,
    ModelId,
    Placement,
    Precision,
    Recipe,
    Sha256,
    Source,
    SourceContract,
    Template,
    Triple,
)

__all__ = [
    "OVERRIDES",
    "UNPINNED",
    "Archive",
    "Batch",
    "Contract",
    "Family",
    "Kind",
    "Licence",
    "ModelId",
    "Pack",
    "Placement",
    "Precision",
    "Recipe",
    "Sha256",
    "Source",
    "SourceContract",
    "Template",
    "Triple",
    "list_packs",
    "list_recipes",
    "load_recipe",
    "read_pack",
    "read_recipe",
    "recipe_folders",
    "unknown_model",
    "with_converters",
]
