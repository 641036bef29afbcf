"""The route that converts a lead.

https://www.zoho.com/crm/developer/docs/api/v8/convert-lead.html
"""

from __future__ import annotations

from typing import Any

from syncd.sandbox.crm.exchange import Reply
from syncd.sandbox.crm.zoho.call import Call, shape
from syncd.sandbox.crm.zoho.refusal import Refusal, invalid
from syncd.sandbox.crm.zoho.views import title

_COST = 5


def convert(call: Call) -> Reply:
    """Answer POST of a conversion, with a deal if its fields are given. A known account is taken, nothing else."""
    call.query()
    body = call.json()
    shape(body, needs={"data": list})
    if len(body["data"]) != 1 or not isinstance(body["data"][0], dict):
        raise invalid("data", maximum_length=1)
    flags = dict.fromkeys(("overwrite", "notify_lead_owner", "notify_new_entity_owner"), bool)
    options = shape(body["data"][0], may={**flags, "Deals": dict})
    call.spend(_COST)
    lead = call.org.find("Leads", call.names["id"])
    if lead is None or lead.gone:
        where = {"resource_path_index": 1}
        raise Refusal("INVALID_DATA", "the id given seems to be invalid", details=where)
    try:
        made = call.org.convert_lead(lead.id, deal=options.get("Deals"), by=call.org.client)
    except Refusal as refusal:
        if refusal.code == "ID_ALREADY_CONVERTED":
            raise
        return Reply(code=refusal.status, body={"data": [refusal.row(0)]})
    message = "The record has been converted successfully"
    ids = {"Contacts": made.contact, "Deals": made.deal, "Accounts": made.account}
    details = {name: _named(call, id_) for name, id_ in ids.items()}
    row = {"code": "SUCCESS", "details": details, "message": message, "status": "success"}
    return Reply(code=200, body={"data": [row]})


def _named(call: Call, id_: str | None) -> dict[str, Any] | None:
    return {"name": title(call.org, call.org.live(id_)), "id": id_} if id_ else None
