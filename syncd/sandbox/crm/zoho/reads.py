"""Routes that read a record by its id, what was deleted, and the history of a deal's stages.

https://www.zoho.com/crm/developer/docs/api/v8/get-records.html and get-deleted-records.html
"""

from __future__ import annotations

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.zoho.call import Call, read_fields, whole
from syncd.sandbox.crm.zoho.lists import MOST_PER_PAGE, wanted
from syncd.sandbox.crm.zoho.refusal import Refusal, invalid_param, missing_param
from syncd.sandbox.crm.zoho.values import show
from syncd.sandbox.crm.zoho.views import brief, title, whole_record

MOST_PAGES = 500
_STEP_FIELDS = ("Stage", "Amount", "Closing_Date", "Probability", "Expected_Revenue", "Modified_Time", "Modified_By")


def one(call: Call) -> Reply:
    """Answer GET of a record, in its latest state. A converted lead is there only if asked for with `converted`."""
    query = call.query("fields", "converted")
    module = call.module
    names = read_fields(module, query["fields"]) if "fields" in query else list(module.fields)
    keep = wanted(query)
    call.spend()
    record = call.org.find(module.name, call.names["id"])
    if record is None or record.gone or not keep(record.converted):
        return Reply(code=204)
    return Reply(code=200, body={"data": [whole_record(call.org, module, record, names)]})


def deleted(call: Call) -> Reply:
    """Answer GET of what was put into the bin (`recycle`), removed for good (`permanent`), or either (`all`)."""
    query = call.query("type", "page", "per_page")
    module, kind = call.module, query.get("type", "all")
    if kind not in {"all", "recycle", "permanent"}:
        message = "Please check whether the input values are correct"
        raise Refusal("PATTERN_NOT_MATCHED", message, details={"param_name": "type"})
    size, number = whole(query, "per_page", MOST_PER_PAGE, MOST_PER_PAGE), whole(query, "page", 1, MOST_PAGES)
    since, now = call.time_header("If-Modified-Since"), call.org.now()
    call.spend()
    found = []
    for record in call.org.records[module.name].values():
        state = record.seen(now)
        if state and state.gone_at and kind in {"all", state.gone} and (since is None or state.gone_at > since):
            found.append((state.gone_at, int(record.id), state.gone, record))
    found.sort(key=lambda it: it[:2], reverse=True)
    page = found[(number - 1) * size : number * size]
    if not page:
        return Reply(code=304 if since else 204)
    data = []
    for at, _, gone, record in page:
        by = brief(record.gone_by or call.org.rep) if gone == "recycle" else None
        name = title(call.org, record) if gone == "recycle" else None
        times = {"deleted_time": show(at, call.org.zone), "deleted_by": by, "created_by": by}
        data.append({"id": record.id, "type": gone, "display_name": name, **times})
    info = {"per_page": size, "count": len(data), "page": number, "more_records": len(found) > number * size}
    return Reply(code=200, body={"data": data, "info": info})


def stage_history(call: Call) -> Reply:
    """Answer GET of the stages that a deal came to, latest first."""
    query = call.query("fields", "page", "per_page")
    if "fields" not in query:
        raise missing_param("fields")
    names = query["fields"].split(",")
    if not set(names) <= {*_STEP_FIELDS, "id"}:
        raise invalid_param("fields")
    size, number = whole(query, "per_page", MOST_PER_PAGE, MOST_PER_PAGE), whole(query, "page", 1, MOST_PAGES)
    call.spend()
    record = call.org.find("Deals", call.names["id"])
    steps = record.steps[::-1] if record and not record.gone else []
    page = steps[(number - 1) * size : number * size]
    if not page:
        return Reply(code=204)
    data = []
    for step in page:
        whole_step = {name: show(value, call.org.zone) for name, value in step.values.items()}
        whole_step |= {"id": step.id, "Modified_Time": show(step.at, call.org.zone), "Modified_By": brief(step.by)}
        data.append({name: whole_step[name] for name in dict.fromkeys([*names, "id"])})
    info = {"per_page": size, "count": len(data), "page": number, "more_records": len(steps) > number * size}
    return Reply(code=200, body={"data": data, "info": info})
