"""Pipedrive does what every connector does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from syncd.conformance import Conformance, CrmDouble
from tests.conformance.pipedrive import PipedriveDouble

NO_SURVIVOR = "Pipedrive's API does not tell into what a record was merged; to it the other one is deleted"
NO_SIGNATURE = "Pipedrive signs nothing: what proves a message is a user and a password, whatever is in it and when"
NO_END = "a webhook of Pipedrive's has no end"
NO_LABEL = "won and lost are statuses of a deal; nobody can rename them, and a stage's own test says the rest"


class TestPipedrive(Conformance):
    exempt: ClassVar[Mapping[str, str]] = {
        "test_a_merged_deal_leads_to_the_survivor": NO_SURVIVOR,
        "test_a_merged_person_leads_to_the_survivors_deals": NO_SURVIVOR,
        "test_a_deal_that_was_merged_away_is_not_made_again": f"{NO_SURVIVOR}; its own test says what happens instead",
        "test_a_renamed_stage_stays_the_same_stage": NO_LABEL,
        "test_a_deal_in_a_renamed_stage_is_told_by_the_stages_id": NO_LABEL,
        "test_a_batch_costs_far_fewer_calls_than_it_has_leads": "Pipedrive has no call that creates several records",
        "test_a_person_whom_the_crm_knows_already_is_linked": (
            "an e-mail address can be searched for in a URL only, and is not unique in Pipedrive; people merge persons"
        ),
        "test_a_deal_without_an_amount_has_none": "a new deal of Pipedrive is worth 0, and nothing tells that from 0",
        "test_a_message_whose_body_was_changed_is_forged": NO_SIGNATURE,
        "test_a_message_to_another_address_is_forged": NO_SIGNATURE,
        "test_an_old_message_is_stale": NO_SIGNATURE,
        "test_a_message_from_the_future_is_stale": NO_SIGNATURE,
        "test_a_subscription_is_renewed_before_it_ends": NO_END,
        "test_a_subscription_that_has_ended_is_ordered_again": NO_END,
        "test_an_amount_is_exact_and_in_minor_units": "numbers of Pipedrive are doubles; its own test says the rest",
    }

    def double(self) -> CrmDouble:
        return PipedriveDouble()
