from streamgym.checks.labs import course_root, lab_names
from streamgym.interview.questions import questions


def test_each_of_the_28_is_there_and_whole():
    assert list(questions()) == list(range(1, 29))
    for each in questions().values():
        assert 40 < len(each.answer.split()) < 110, each.number
        assert len(each.follow_ups) >= 2
        assert each.mistakes
        assert each.sources


def test_only_labs_that_exist_are_named():
    assert {lab for each in questions().values() for lab in each.see} <= set(lab_names())


def test_a_lab_that_claims_a_question_is_named_there():
    """The front matter of each lab says which questions it answers."""
    from streamgym.course.source import read_source

    for lab in lab_names():
        path = course_root() / "solutions" / lab / "lab.py"
        for number in read_source(path).front["questions"]:
            assert lab in questions()[number].see, (lab, number)


def test_a_tour_that_claims_a_question_is_named_there_and_no_other():
    from streamgym.course.source import read_source

    claimed = {
        (number, path.stem)
        for path in (course_root() / "notebooks" / "sources").glob("*.py")
        for number in read_source(path).front["questions"]
    }
    assert claimed == {(q.number, tour) for q in questions().values() for tour in q.tours}
