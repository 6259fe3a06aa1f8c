from scratchvae.memory import cache
from scratchvae.optim import adam


def test_the_size_of_the_cache_is_read_or_assumed(monkeypatch):
    monkeypatch.setattr(cache, "Path", lambda name: NoCaches())
    assert cache.second_level_cache.__wrapped__() == cache.UNKNOWN
    monkeypatch.undo()
    size = cache.second_level_cache()
    assert 2**17 <= size <= 2**27 and size % 2**10 == 0


class NoCaches:
    def glob(self, pattern):
        return iter(())


def test_a_size_in_another_form_is_passed_over(monkeypatch, tmp_path):
    for index, (level, size) in enumerate([("1", "48K"), ("2", "lots"), ("2", "512K"), ("3", "32768K")]):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        (folder / "level").write_text(f"{level}\n", encoding="utf-8")
        (folder / "size").write_text(f"{size}\n", encoding="utf-8")
    monkeypatch.setattr(cache, "Path", lambda name: tmp_path)
    assert cache.second_level_cache.__wrapped__() == 512 * 2**10


def test_blocks_of_adam_fit_into_a_third_of_the_cache(monkeypatch):
    for size, itemsize, expected in [
        (2**21, 4, 2**15),
        (2**21, 8, 2**14),
        (2**20, 4, 2**14),
        (2**19, 4, 2**14),  # the smallest
        (2**30, 4, 2**16),  # the largest
    ]:
        monkeypatch.setattr(adam, "second_level_cache", lambda size=size: size)
        assert adam.block_size(itemsize) == expected
