from streamgym.tours.readers import REFUSED, RIGHT, WRONG, outcomes


def exact(event):
    if "amount" not in event:
        raise ValueError("no amount")
    return event["amount"]


def test_a_reader_is_right_or_refuses_or_is_wrong():
    readers = {"exact": exact, "careless": lambda event: event.get("amount", 0)}
    events = [{"amount": 450}, {"total": 450}, {"amount": 4}]
    found = outcomes(readers, ["as ever", "renamed", "euros"], events, due=450)
    assert list(found["exact"]) == [RIGHT, REFUSED, WRONG]
    assert list(found["careless"]) == [RIGHT, WRONG, WRONG]
    assert list(found.index) == ["as ever", "renamed", "euros"]
