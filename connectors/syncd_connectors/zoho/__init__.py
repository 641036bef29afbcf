"""Zoho CRM: leads become Leads, or a Contact with a Deal; statuses and stages come back.

Our id of a lead lives in a custom field that Zoho keeps unique (`push.referral_id`). Records are *inserted*, never
upserted: an insert whose id is taken is refused with the name of the record that has it, so that a repeated push finds
what an earlier one made and changes nothing of it. An upsert would put a deal back to its first stage, and where the
e-mail address is a unique field as well it would write our id over somebody else's.
https://www.zoho.com/crm/developer/docs/api/v8/insert-records.html

A Lead is person and deal in one until sales converts it; from then on its Contact is the person and its Deal the deal.
We speak HTTP ourselves: the official SDK keeps one account for the whole process and hides what Zoho answers.
"""

from __future__ import annotations

from syncd_connectors.zoho.connector import Zoho
from syncd_connectors.zoho.settings import ZohoSettings

connector = Zoho

__all__ = ["Zoho", "ZohoSettings", "connector"]
