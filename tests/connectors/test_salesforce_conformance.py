"""Salesforce does what every connector does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from syncd.conformance import Conformance, CrmDouble
from tests.connectors.salesforce_double import SalesforceDouble

NO_MERGE = "Salesforce merges leads, contacts and accounts, and no opportunities"
NO_SIGNATURE = "an Outbound Message bears no signature and no time; its address and its org are all that proves it"


class TestSalesforce(Conformance):
    exempt: ClassVar[Mapping[str, str]] = {
        "UsesOAuth": "it signs in as itself, by client credentials or by a certificate; nobody consents",
        "ManagesWebhooks": "an admin makes Outbound Messages in Setup, beside the flow that sends them",
        "test_a_message_whose_body_was_changed_is_forged": NO_SIGNATURE,
        "test_a_message_to_another_address_is_forged": f"{NO_SIGNATURE}; its secret is tested with the forgeries",
        "test_an_old_message_is_stale": NO_SIGNATURE,
        "test_a_message_from_the_future_is_stale": NO_SIGNATURE,
        "test_a_deletion_is_told_by_itself": "no flow sends an Outbound Message when a record is deleted",
        "test_a_merge_is_told_by_itself": NO_MERGE,
        "test_a_merged_deal_leads_to_the_survivor": NO_MERGE,
        "test_a_deal_that_was_merged_away_is_not_made_again": NO_MERGE,
        "test_a_reading_without_news_is_one_call": "a query reads one object, and there are two",
        "test_a_deal_is_told_as_it_stands_whatever_the_index_shows": (
            "queries read the database itself; what they do not show is not committed yet, and nobody sees it"
        ),
        "test_a_person_whom_the_crm_knows_already_is_linked": (
            "e-mail addresses are not unique in Salesforce; its duplicate rules decide, and push.duplicates"
        ),
        "test_an_amount_is_exact_and_in_minor_units": "numbers of Salesforce are doubles; its own test says the rest",
    }

    def double(self) -> CrmDouble:
        return SalesforceDouble()
