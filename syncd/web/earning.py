"""The API, what is earned: happenings in, words about rewards, people who are forgotten or turn out to be one."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from syncd.flow import happenings, payout, persons
from syncd.flow.balance import balance_of
from syncd.store import people
from syncd.store.engine import read
from syncd.web import models
from syncd.web.api import RESPONSES, takes
from syncd.web.incoming import Installation, Reader, Writer, body
from syncd.web.models import HappeningTaken, MergeTaken, RewardTaken
from syncd.web.problems import Problem

router = APIRouter(prefix="/api/v1", responses=RESPONSES)

_ID = re.compile(r"per_[0-9a-z]{1,36}")


@router.post("/events", status_code=202, openapi_extra=takes(HappeningTaken, keyed=False))
def tell(
    app: Installation, caller: Writer, taken: Annotated[HappeningTaken, Depends(body(HappeningTaken))]
) -> models.HappeningGiven:
    """Tell what a person did: an order, a refund, a review ...; told again under the same id, it counts once."""
    campaigns = happenings.tell(app, taken.happening(), teller=caller.name, cause=f"api:{caller.name}")
    return models.HappeningGiven(campaigns=campaigns)


def _word(word: payout.Word) -> None:
    """Add the address under which a word is said of a reward."""
    verb = {"approved": "approve", "rejected": "reject", "fulfilled": "fulfil", "failed": "fail"}[word]

    @router.post(f"/rewards/{verb}", name=verb, openapi_extra=takes(RewardTaken, keyed=False), summary=_SAID[word])
    def said(
        app: Installation, caller: Writer, taken: Annotated[RewardTaken, Depends(body(RewardTaken))]
    ) -> models.RewardGiven:
        # A token is a person here: were its holder to name who agrees, one could agree for two.
        return models.RewardGiven.of(payout.say(app, word, taken.key, by=caller.name, cause=f"api:{caller.name}"))


_SAID: dict[payout.Word, str] = {
    "approved": "Agree that a reward is given; where two persons must agree, each has a token of their own",
    "rejected": "Decide that a reward is not given",
    "fulfilled": "Say that a reward has been handed out",
    "failed": "Say that a reward could not be handed out after all",
}
for _each in _SAID:
    _word(_each)


def _participant_id(id: Annotated[str, Path(description="The id of a participant, such as per_...")]) -> str:
    if not _ID.fullmatch(id):
        raise Problem(404, "not_found", "there is no such participant")
    return id


ParticipantId = Annotated[str, Depends(_participant_id)]


@router.get("/participants/{id}")
def show(app: Installation, _: Reader, id: ParticipantId) -> models.ParticipantGiven:
    """Tell what a participant has, by the ledger: points and vouchers as whole numbers, money as decimal text."""
    with read(app.database) as tx:
        id = people.name_now(tx, id)
        who = people.participants(tx, [id]).get(id)
        if who is None:
            raise Problem(404, "not_found", "there is no such participant")
        return models.ParticipantGiven(id=id, erased=who.erased, balances=balance_of(tx, id))


@router.delete("/participants/{id}", status_code=204)
def erase(app: Installation, caller: Writer, id: ParticipantId) -> None:
    """Forget who somebody is; the books keep what was given, under an id that means nobody."""
    persons.erase(app, id, cause=f"api:{caller.name}")


@router.post("/participants/{id}/merge", status_code=204, openapi_extra=takes(MergeTaken, keyed=False))
def merge(
    app: Installation, caller: Writer, id: ParticipantId, taken: Annotated[MergeTaken, Depends(body(MergeTaken))]
) -> None:
    """Make `from` another name of this participant: they are one person."""
    persons.merge(app, taken.from_, id, cause=f"api:{caller.name}")
