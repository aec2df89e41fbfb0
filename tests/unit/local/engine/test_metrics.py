from aios.local.engine.metrics import Metrics


def test_the_page_counts_under_tgis_names():
    metrics = Metrics()
    metrics.requests, metrics.successes = 3, 2
    metrics.failures["overloaded"] += 1
    metrics.add("queue_duration", 0.3)
    metrics.add("queue_duration", 99.0)
    lines = metrics.text(queued=1, running=2).splitlines()
    assert {"tgi_request_count 3", "tgi_request_success 2", 'tgi_request_failure{err="overloaded"} 1'} <= set(lines)
    assert {"tgi_queue_size 1", "tgi_batch_current_size 2"} <= set(lines)
    assert 'tgi_request_queue_duration_bucket{le="0.5"} 1' in lines
    assert 'tgi_request_queue_duration_bucket{le="+Inf"} 2' in lines
    assert "tgi_request_queue_duration_count 2" in lines
