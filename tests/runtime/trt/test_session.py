"""TrtSession's own work, on a driver and a TensorRT in host memory that work when waited for."""

import gc
import threading

import numpy as np
import pytest

from edged.errors import EngineError
from edged.runtime.session import Meter
from edged.runtime.trt.cuda import GpuMemoryError
from edged.runtime.trt.session import KEPT_BINDINGS, TrtSession

pytestmark = pytest.mark.usefixtures("fake_trt")


@pytest.fixture
def opened(stub, plan):  # noqa: ARG001 - the driver must outlive the session
    """A session to be entered: `opened()`, or `opened("no run")` for a plan that misbehaves."""

    def make(do="", **options):
        return TrtSession(plan(do), model_id="swapper", vouched=True, **options)

    return make


def feeds(faces, start=0, scale=1.0):
    """Feeds whose faces all differ."""
    crops = np.arange(start, start + faces * 12, dtype=np.uint8).reshape(faces, 2, 2, 3)
    return {"crops": crops, "scale": np.float32([scale])}


def wanted(fed):
    """What the network makes of feeds."""
    return fed["crops"] + 1, fed["crops"].mean((1, 2, 3), dtype=np.float64) * fed["scale"]


def agrees(got, fed):
    """Whether outputs are the network's."""
    swapped, checks = wanted(fed)
    return np.array_equal(got[0], swapped) and np.allclose(got[1], checks)


def test_names_shapes_and_dtypes_are_the_engines(opened):
    """Open extents are None, and the order is the engine's."""
    with opened() as session:
        told = {s.name: (s.shape, str(s.dtype)) for s in (*session.inputs, *session.outputs)}
    crops, line = ((None, 2, 2, 3), "uint8"), ((None,), "float32")
    assert told == {"crops": crops, "scale": ((1,), "float32"), "swapped": crops, "checks": line}
    assert list(told) == ["crops", "scale", "swapped", "checks"]


def test_every_number_of_faces_gets_its_own_answer(opened):
    """Changing extents from run to run changes places, never values."""
    with opened() as session:
        for start, faces in enumerate((1, 3, 2, 4, 1, 1, 3, 3, 2, 4)):
            fed = feeds(faces, start * 20, scale=start + 1)
            assert agrees(session.run(fed), fed), (start, faces)


def test_the_second_run_of_a_shape_is_recorded_and_the_third_replayed(opened, stub):
    """A graph replays the run with what lies in the input region by then."""
    with opened() as session:
        before = stub.stub_launches()
        for start in range(4):
            fed = feeds(2, start * 30)
            assert agrees(session.run(fed), fed)
        assert stub.stub_launches() - before == 3


def test_a_change_of_shape_keeps_the_earlier_graph(opened, stub):
    """Every set of extents has its own context, so going back to one needs no recording."""
    with opened() as session:
        for faces in (1, 1, 2, 2):
            session.run(feeds(faces))
        before = stub.stub_launches()
        fed = feeds(1, 77)
        assert agrees(session.run(fed), fed)
        assert stub.stub_launches() - before == 1


def test_more_shapes_than_are_kept_are_made_again(opened, fake_trt):
    """The least used context goes; nothing grows with the number of different shapes."""
    fake_trt.BOUNDS["crops"][2] = (KEPT_BINDINGS + 2, 2, 2, 3)
    with opened() as session:
        for _ in range(2):
            for faces in range(1, KEPT_BINDINGS + 3):
                fed = feeds(faces, faces)
                assert agrees(session.run(fed), fed)
        assert len(session._held().bindings) == KEPT_BINDINGS


def test_outputs_stay_until_the_next_run_and_cannot_be_written(opened):
    """What a run returned is the caller's to read until it runs again."""
    with opened() as session:
        fed = feeds(2)
        first = session.run(fed)
        assert agrees(first, fed)
        with pytest.raises(ValueError, match="read-only"):
            first[0][:] = 0


def test_outputs_may_be_read_after_the_session_is_closed(opened):
    """Pinned memory lives as long as any view of it: no crash, no other face."""
    with opened() as session:
        fed = feeds(3)
        got = session.run(fed)
    gc.collect()
    assert agrees(got, fed)


def test_feeds_may_be_overwritten_as_soon_as_run_returns(opened):
    """Also a resident run has taken its feeds by then, though nothing was computed yet."""
    with opened() as session:
        fed = feeds(2)
        copy = {name: array.copy() for name, array in fed.items()}
        resident = session.run_resident(fed)
        fed["crops"][:] = 255
        assert agrees([session.download(array) for array in resident], copy)


def test_two_resident_runs_in_a_row_do_not_mix(opened):
    """The second run's staging waits until the first one's copy is done."""
    with opened() as first, opened() as second:
        one, two = feeds(2, 10), feeds(2, 90)
        out_one = first.run_resident(one)
        out_two = second.run_resident(two)
        assert agrees([first.download(array) for array in out_one], one)
        assert agrees([second.download(array) for array in out_two], two)
        out_one = first.run_resident(two)
        out_two = first.run_resident(one)
        assert agrees([first.download(array) for array in out_two], one)


def test_a_resident_run_waits_before_it_fills_its_staging_again(opened):
    """What the run before was fed is still on its way to the device."""
    with opened() as first, opened() as second:
        one, two = feeds(2, 10), feeds(2, 90)
        middle = first.run_resident(one)[0]
        out = second.run_resident({"crops": middle, "scale": one["scale"]})
        first.run_resident(two)
        assert np.array_equal(second.download(out[0]), one["crops"] + 2)


def test_an_upload_waits_before_it_fills_memory_that_went_round(opened):
    """The frame before is still on its way to the device."""
    with opened() as session:
        one, two = feeds(2, 10), feeds(2, 90)
        frame = session.upload(one["crops"])
        out = session.run_resident({"crops": frame, "scale": one["scale"]})
        frame = None
        frame = session.upload(two["crops"])
        assert np.array_equal(session.download(out[0]), one["crops"] + 1)
        assert np.array_equal(session.download(frame), two["crops"])
        frame = None


def test_an_output_on_the_device_feeds_the_next_session(opened):
    """Chained sessions need no copy to the host between them."""
    with opened() as first, opened() as second:
        fed = feeds(2)
        middle = first.run_resident(fed)[0]
        got = second.run({"crops": middle, "scale": fed["scale"]})
        assert np.array_equal(got[0], fed["crops"] + 2)


def test_a_sessions_own_output_may_be_its_next_input(opened):
    """It is copied away before the run overwrites it."""
    with opened() as session:
        fed = feeds(2)
        middle = session.run_resident(fed)[0]
        got = session.run({"crops": middle, "scale": fed["scale"]})
        assert np.array_equal(got[0], fed["crops"] + 2)


def test_an_output_kept_on_the_device_is_refused_after_the_next_run(opened):
    """It would be another face's: an error instead."""
    with opened() as session:
        old = session.run_resident(feeds(2))[0]
        session.run(feeds(2, 50))
        with pytest.raises(EngineError, match="after its session ran again"):
            session.download(old)


def test_an_upload_serves_many_runs_and_its_memory_goes_round(opened, stub):
    """One upload of a frame, read by several sessions; then its memory serves the next."""
    with opened() as session:
        fed = feeds(3)
        frame = session.upload(fed["crops"])
        for _ in range(3):
            assert agrees(session.run({"crops": frame, "scale": fed["scale"]}), fed)
        assert np.array_equal(session.download(frame), fed["crops"])
        before = stub.stub_live()
        for start in range(5):
            frame = None
            frame = session.upload(feeds(3, start)["crops"])
        assert stub.stub_live() == before
        frame = None


def test_a_part_of_a_picture_goes_up_as_it_is(opened):
    """A view with strides is copied in its own order."""
    with opened() as session:
        wide = np.arange(2 * 2 * 4 * 3, dtype=np.uint8).reshape(2, 2, 4, 3)[:, :, ::2]
        got = session.run({"crops": wide, "scale": np.float32([1])})
        assert np.array_equal(got[0], wide + 1)
        assert np.array_equal(session.download(session.upload(wide)), wide)


def test_download_writes_into_an_array_of_the_same_kind_alone(opened):
    """A frame buffer is filled in place; one of another shape is refused."""
    with opened() as session:
        fed = feeds(2)
        array = session.upload(fed["crops"])
        into = np.empty_like(fed["crops"])
        assert session.download(array, into) is into
        assert np.array_equal(into, fed["crops"])
        with pytest.raises(EngineError, match="another shape or dtype"):
            session.download(array, into[:1])


def test_another_thread_is_refused(opened):
    """Contexts and buffers belong to the thread that entered the session."""
    said = []

    def use(session):
        try:
            session.run(feeds(1))
        except EngineError as error:
            said.append(str(error))

    with opened() as session:
        thread = threading.Thread(target=use, args=(session,))
        thread.start()
        thread.join()
        assert "another thread" in said[0]
        assert agrees(session.run(feeds(1)), feeds(1))


def test_two_threads_with_a_session_each_do_not_mix(opened):
    """Streams, buffers and contexts are a thread's own: nobody gets another's face."""
    wrong = []

    def work(number):
        with opened() as session:
            for turn in range(40):
                fed = feeds(1 + turn % 4, number * 100 + turn)
                if not agrees(session.run(fed), fed):
                    wrong.append((number, turn))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_array_of_another_threads_lane_is_refused(opened):
    """Its stream is another one: the value may not be there yet."""
    found = []

    def make():
        with opened() as other:
            found.append(other.upload(feeds(1)["crops"]))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    with opened() as session, pytest.raises(EngineError, match="another thread"):
        session.run({"crops": found[0], "scale": np.float32([1])})
    found.clear()


@pytest.mark.parametrize(
    ("fed", "words"),
    [
        ({"crops": np.zeros((1, 2, 2, 3), np.uint8)}, "takes inputs"),
        (feeds(1) | {"other": np.zeros(1)}, "takes inputs"),
        (feeds(1) | {"crops": np.zeros((1, 2, 2, 3), np.float32)}, "must be uint8"),
        (feeds(1) | {"crops": np.zeros((5, 2, 2, 3), np.uint8)}, "was built for"),
        (feeds(1) | {"crops": np.zeros((0, 2, 2, 3), np.uint8)}, "was built for"),
        (feeds(1) | {"crops": np.zeros((1, 2, 2), np.uint8)}, "was built for"),
    ],
)
def test_feeds_that_do_not_fit_are_refused_before_anything_moves(opened, fed, words):
    """Names, dtypes and extents are checked against the engine; the session stays usable."""
    with opened() as session:
        with pytest.raises(EngineError, match=words):
            session.run(fed)
        assert agrees(session.run(feeds(1)), feeds(1))


def test_an_engine_that_cannot_be_recorded_runs_without_a_graph(opened, stub, caplog):
    """The failed recording costs a warning and no frame."""
    with opened("no graph") as session:
        before = stub.stub_launches()
        with caplog.at_level("WARNING"):
            for start in range(4):
                fed = feeds(1, start)
                assert agrees(session.run(fed), fed)
        assert stub.stub_launches() == before
        assert caplog.text.count("without a CUDA graph") == 1


def test_a_run_that_fails_says_what_tensorrt_said(opened):
    """The message holds the model and TensorRT's last words."""
    with opened("no run") as session, pytest.raises(EngineError, match=r"swapper.*no kernel"):
        session.run(feeds(1))


def test_a_failure_of_the_gpu_comes_with_its_name(opened, monkeypatch):
    """After such a code nothing works in this process; the message says to restart."""
    with opened() as session:
        monkeypatch.setenv("STUB_SYNC", "700")
        with pytest.raises(EngineError, match=r"CUDA_ERROR_ILLEGAL_ADDRESS.*restart edged"):
            session.run(feeds(1))
        monkeypatch.delenv("STUB_SYNC")


@pytest.mark.parametrize("nth", range(5))
def test_no_room_at_the_nth_allocation_gives_everything_back(opened, stub, nth):
    """Entering fails with the cure, and what was got before is free again."""
    session = opened()
    stub.stub_fail(nth)
    with pytest.raises(GpuMemoryError, match=r"no room for .* MiB .*free"):
        session.__enter__()
    assert stub.stub_live() == 0
    stub.stub_fail(-1)
    with session:
        assert agrees(session.run(feeds(1)), feeds(1))


def test_no_room_for_another_context_drops_the_others_first(opened, fake_trt, monkeypatch):
    """A frame is worth more than the contexts of other shapes."""
    with opened() as session:
        session.run(feeds(1))
        make = fake_trt.Engine.create_execution_context
        tries = []

        def refuse_once(engine, strategy):
            tries.append(1)
            if len(tries) == 1:
                engine.logger.log(fake_trt.ILogger.Severity.ERROR, "out of memory")
                return None
            return make(engine, strategy)

        monkeypatch.setattr(fake_trt.Engine, "create_execution_context", refuse_once)
        assert agrees(session.run(feeds(2)), feeds(2))
        assert len(session._held().bindings) == 1


def test_a_context_that_never_fits_is_a_matter_of_memory(opened):
    """The caller can tell it from a broken engine."""
    with opened("no context") as session, pytest.raises(GpuMemoryError):
        session.run(feeds(1))


def test_a_plan_that_tensorrt_refuses_is_told_to_be_built_again(opened, plan, stub):
    """Its last words and the command are in the message."""
    session = opened()
    plan().write_bytes(b"\0broken")
    with pytest.raises(EngineError, match=r"Magic tag.*"):
        session.__enter__()
    assert stub.stub_live() == 0


def test_outputs_whose_extents_depend_on_values_are_refused_at_load(opened):
    """There is no place of a fixed size for them."""
    with pytest.raises(EngineError, match="no fixed extents"):
        opened("open output").__enter__()


def test_an_input_in_host_memory_is_refused_at_load(opened):
    """An address on the device in its place would crash the process."""
    with pytest.raises(EngineError, match="wants scale in host memory"):
        opened("host input").__enter__()


def test_run_before_enter_and_after_exit_is_an_error(opened):
    """A closed session says so instead of touching freed memory."""
    session = opened()
    with pytest.raises(EngineError, match="not loaded"):
        session.run(feeds(1))
    with session:
        pass
    with pytest.raises(EngineError, match="not loaded"):
        session.run(feeds(1))


def test_the_meter_counts_runs(opened):
    """The host's own share is what is left."""
    meter = Meter()
    with opened(meter=meter) as session:
        session.run(feeds(1))
        session.run_resident(feeds(1))
    assert meter.runs == 2
    assert meter.total_ns > 0
