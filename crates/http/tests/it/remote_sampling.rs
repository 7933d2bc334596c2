//! Jaeger's remote sampling; refusals were observed on Jaeger 2.

use crate::client::get;
use crate::receiving::Receiving;
use serde_json::json;
use tidewatch_http::OtlpLimits;

#[tokio::test]
async fn samplers_are_told_their_strategy() {
    let receiving = Receiving::start(OtlpLimits::default()).await;
    let expected = json!({
        "strategyType": 0,
        "probabilisticSampling": {"samplingRate": 0.1},
        "operationSampling": {
            "defaultSamplingProbability": 0.1,
            "defaultLowerBoundTracesPerSecond": 1.0,
            "perOperationStrategies": [],
        },
    });
    for path in ["/sampling?service=todo-backend", "/api/sampling?service=x", "/sampling?service="] {
        let reply = get(receiving.sampling, path).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"), "{path}");
        assert_eq!(reply.json(), expected, "{path}");
    }
    for path in ["/sampling", "/api/sampling?service=a&service=b"] {
        let reply = get(receiving.sampling, path).await;
        let text = "'service' parameter must be provided once\n";
        assert_eq!((reply.status, reply.text().as_str()), (400, text), "{path}");
    }
    assert_eq!(get(receiving.sampling, "/").await.status, 404);
    receiving.stop().await;
}
