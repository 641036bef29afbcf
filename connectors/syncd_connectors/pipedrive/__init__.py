"""Pipedrive: leads become persons with a lead or a deal in Pipedrive; stages, won and lost come back.

Pipedrive keeps no field unique, and takes a request that is sent twice for two. Our id of a lead lives in a custom
field (`push.referral_id`), and is looked for before anything is created: by search, which may lag, and in lists, which
do not. What carries our id is left alone: from its creation on it belongs to sales.

The SDK writes the requests; its transport is replaced, so that they go through our session and that the token stays
out of every URL. It knows version 1 of the API only, most of which Pipedrive has given up; pointed at
version 2 it writes that as well.
https://developers.pipedrive.com/changelog/post/deprecated-apiv1-endpoints-become-out-of-support
"""

from __future__ import annotations

from syncd_connectors.pipedrive.connector import Pipedrive
from syncd_connectors.pipedrive.settings import PipedriveSettings

connector = Pipedrive

__all__ = ["Pipedrive", "PipedriveSettings", "connector"]
