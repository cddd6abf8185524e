"""Names that a column cannot have, because every run document has something there already.

A class must use others. In a file of functions, which may have been written for DAMNIT,
the column is stored under a name nearby: ``start_time`` under ``start_time_``, and
``_helper`` under ``helper_``; ``"var#start_time"`` still means the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

DOCUMENT_NAMES: Final = frozenset(
    """
    add_child aggregate all apply_changes avg bulk_writer cascade construct copy count create
    current_date delete delete_all delete_many dict distinct dump_model fetch_all_links
    fetch_link fill_back_refs find find_all find_many find_one from_orm get
    get_bson_encoders get_changes get_collection_name get_lazy_fields get_link_fields
    get_model_type get_motor_collection get_parsers get_previous_changes
    get_previous_saved_state get_saved_state get_settings has_changed hard_delete id inc
    insert insert_many insert_one inspect_collection is_changed is_deleted json lazy_parse
    link_from_id max min model_computed_fields model_config model_construct model_copy
    model_dump model_dump_json model_extra model_fields model_fields_set model_json_schema
    model_parametrized_name model_post_init model_rebuild model_validate model_validate_json
    model_validate_strings parse_file parse_obj parse_raw parse_store replace replace_many
    revision_id rollback save save_changes schema schema_json set set_collection
    set_collection_name set_database state_management_replace_objects
    state_management_save_previous sum swap_revision sync to_ref update update_all
    update_forward_refs upsert use_state_management validate validate_self
    as_of fill_after_insert fill_after_update fill_before_insert fill_before_update is_stored
    key value
    """.split()  # noqa: SIM905  # eighty strings in quotes are not easier to read
)
"""Methods and attributes of a run document, Beanie's and ours; a test compares them with both."""

OUR_NAMES: Final = frozenset({"knockoff", "proposal", "run", "start_time", "added_at", "_id"})
"""Fields that knockoff itself fills."""

PEOPLES_NAMES: Final = frozenset({"comment", "tags", "status"})
"""Fields of every row that people type: a class may declare them anew, but not compute them."""


def attribute_for(name: str) -> str:
    """The Python attribute of a field: `name`, or ``count_`` for a field called ``count``."""
    return f"{name}_" if name in DOCUMENT_NAMES else name


def stored_names(names: Iterable[str], *, at_top: bool = True) -> dict[str, str]:
    """Under which name each of these functions is stored; those that keep theirs are left out.

    What lies inside of a group, and not `at_top`, may be called like a field of the row.
    """
    given = tuple(names)
    taken = (OUR_NAMES | PEOPLES_NAMES) if at_top else frozenset[str]()
    attributes = {attribute_for(name) for name in given if name in DOCUMENT_NAMES}
    used = {*given, *taken, *attributes}
    stored: dict[str, str] = {}
    for name in given:
        if name in taken or name.startswith("_"):
            other = f"{name.strip('_') or 'column'}_"
        elif name in attributes:
            other = f"{name}_"
        else:
            continue
        while other in used:
            other = f"{other}_"
        used.add(other)
        stored[name] = other
    return stored
