"""Lists that nobody was shown, held against what was played."""

from listening import Listening

from musicrec.contracts import SnapshotHead
from streams.messages import FollowedUp
from streams.shadow_lists import MAX_LISTENERS, ShadowLists


def heads(world: Listening, user: str, tracks: str, *, skip: bool = False) -> list[SnapshotHead]:
    """Return plays whose offsets go up."""
    made = [SnapshotHead.decode(world.play(user, track, skip=skip).encode()) for track in tracks.split()]
    return [
        head.model_copy(update={"trigger": head.trigger.model_copy(update={"offset": number})})
        for number, head in enumerate(made)
    ]


def test_a_listen_is_held_against_the_list_before_it() -> None:
    shadows = ShadowLists()
    first, second, third = heads(Listening(), "ann", "a b c")
    assert shadows.followed_up(first) == []
    shadows.remember(first, {"night": ["x", "b"], "day": ["c"]})
    assert shadows.followed_up(second) == [FollowedUp("night", 2, False), FollowedUp("day", None, False)]
    shadows.remember(second, {"day": ["c"]})
    assert shadows.followed_up(third) == [FollowedUp("day", 1, False)]


def test_a_skip_counts_as_one() -> None:
    shadows = ShadowLists()
    first, second = heads(Listening(), "ann", "a b", skip=True)
    shadows.remember(first, {"night": ["b"]})
    assert shadows.followed_up(second) == [FollowedUp("night", 1, True)]


def test_a_batch_that_is_decided_again_says_nothing_of_its_own_lists() -> None:
    shadows = ShadowLists()
    first, second = heads(Listening(), "ann", "a b")
    shadows.remember(second, {"night": ["b"]})
    assert shadows.followed_up(second) == shadows.followed_up(first) == []


def test_who_got_a_list_longest_ago_is_forgotten_first() -> None:
    shadows, world = ShadowLists(), Listening()
    ann = heads(world, "ann", "a b")
    shadows.remember(ann[0], {"night": ["b"]})
    (other,) = heads(world, "ben", "a")
    for number in range(MAX_LISTENERS):
        shadows.remember(other.model_copy(update={"user_id": f"user {number}"}), {"night": ["b"]})
    assert shadows.followed_up(ann[1]) == []
