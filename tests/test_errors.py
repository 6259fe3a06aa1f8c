"""Errors: the length of their messages."""

from scratchvae import errors


def test_a_long_path_is_shortened_and_the_whole_message_is_kept():
    path = "folder/" * 100 + "model.npz"
    error = errors.FileError(f"{path} cannot be read: it is damaged;\nrestore a copy of {path}")
    assert 199 <= len(str(error)) <= 200
    assert str(error).startswith("folder/") and str(error).endswith("/folder/model.npz")
    assert "…" in str(error) and "/model.npz cannot be read: it is damaged; restore a copy of folder/" in str(error)
    assert path in error.message


def test_no_more_of_a_word_is_left_out_than_necessary():
    error = errors.DataError(f"{'a' * 100} and {'b' * 60} {'word ' * 10}")
    assert str(error) == f"{'a' * 42}…{'a' * 42} and {'b' * 60}{' word' * 10}"


def test_what_to_do_is_kept_of_a_message_of_many_words():
    text = str(errors.ConfigError("many short words " * 100 + "; choose others"))
    assert len(text) <= 200 and text.endswith("…; choose others")


def test_the_report_of_a_divergence_is_never_shortened():
    report = "the loss is inf; " * 30
    assert str(errors.DivergedError(report)) == report
