//! Which handler answers which request.
//!
//! Input: a frame of a connection. Output: the framed answer, nothing for a producer that wants none, or an error that closes the
//! connection; for a fetch also the permit for the answer's memory, to be held until it is written. Handlers know neither frames nor correlation ids.

use crate::api::APIS;
use crate::shared::Shared;
use crate::wire::{Malformed, Request};
use crate::{
    codes, commit_requests, config_requests, fetch, group_requests, metadata, offsets, produce,
    topic_requests,
};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::{ApiKey, InitProducerIdRequest, InitProducerIdResponse};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};
use tokio::sync::SemaphorePermit;

/// Answers one request into `out`. The permit counts the answer's memory.
pub(crate) async fn answer<'a>(
    shared: &'a Shared,
    peer: &str,
    frame: Bytes,
    out: &mut BytesMut,
) -> Result<Option<SemaphorePermit<'a>>, Malformed> {
    let (mut request, api) = Request::read(frame, shared.options.limits.answer_bytes)?;
    shared.statistics.requests.add(1);
    let (key, version) = (request.key, request.version);
    let Some(api) = api else {
        if key == ApiKey::ApiVersions as i16 {
            // A client newer than this broker learns from an answer in version 0 what it may ask.
            request.version = 0;
            return request.answer(&api_versions(codes::UNSUPPORTED_VERSION), out).map(|()| None);
        }
        return Err(Malformed::Unsupported { key, version });
    };
    let request = &mut request;
    if api.key == ApiKey::Fetch {
        return fetch::fetch(shared, request, out).await.map(Some);
    }
    handled(shared, peer, api.key, request, out).await.map(|()| None)
}

/// Answers everything but a fetch.
async fn handled(
    shared: &Shared,
    peer: &str,
    api: ApiKey,
    request: &mut Request,
    out: &mut BytesMut,
) -> Result<(), Malformed> {
    match api {
        ApiKey::Produce => produce::produce(shared, request, out),
        ApiKey::JoinGroup => {
            let message = request.decode()?;
            let answer = Box::pin(group_requests::join(shared, peer, request, message)).await;
            request.answer(&answer, out)
        }
        ApiKey::SyncGroup => {
            let message = request.decode()?;
            let answer = Box::pin(group_requests::sync(shared, message)).await;
            request.answer(&answer, out)
        }
        ApiKey::ApiVersions => request.answer(&api_versions(codes::NONE), out),
        ApiKey::Metadata => {
            plain(request, out, |version, message| metadata::metadata(shared, version, message))
        }
        ApiKey::DescribeCluster => {
            plain(request, out, |_, message| metadata::describe_cluster(shared, &message))
        }
        ApiKey::FindCoordinator => {
            plain(request, out, |version, message| metadata::find_coordinator(shared, version, &message))
        }
        ApiKey::InitProducerId => plain(request, out, |_, message| init_producer_id(shared, &message)),
        ApiKey::ListOffsets => {
            plain(request, out, |version, message| offsets::list(shared, version, message))
        }
        ApiKey::OffsetForLeaderEpoch => {
            plain(request, out, |_, message| offsets::for_leader_epoch(shared, message))
        }
        ApiKey::DeleteRecords => plain(request, out, |_, message| offsets::delete_records(shared, message)),
        ApiKey::Heartbeat => plain(request, out, |_, message| group_requests::heartbeat(shared, &message)),
        ApiKey::LeaveGroup => {
            plain(request, out, |version, message| group_requests::leave(shared, version, message))
        }
        ApiKey::ListGroups => plain(request, out, |_, message| group_requests::list(shared, &message)),
        ApiKey::DescribeGroups => {
            plain(request, out, |version, message| group_requests::describe(shared, version, message))
        }
        ApiKey::DeleteGroups => plain(request, out, |_, message| group_requests::delete(shared, message)),
        ApiKey::OffsetCommit => plain(request, out, |_, message| commit_requests::commit(shared, message)),
        ApiKey::OffsetFetch => {
            plain(request, out, |version, message| commit_requests::fetch(shared, version, message))
        }
        ApiKey::OffsetDelete => plain(request, out, |_, message| commit_requests::delete(shared, message)),
        ApiKey::CreateTopics => plain(request, out, |_, message| topic_requests::create(shared, message)),
        ApiKey::DeleteTopics => {
            plain(request, out, |version, message| topic_requests::delete(shared, version, message))
        }
        ApiKey::CreatePartitions => {
            plain(request, out, |_, message| topic_requests::create_partitions(shared, message))
        }
        ApiKey::DescribeLogDirs => {
            plain(request, out, |_, message| topic_requests::describe_log_dirs(shared, &message))
        }
        ApiKey::DescribeConfigs => {
            plain(request, out, |_, message| config_requests::describe(shared, message))
        }
        ApiKey::IncrementalAlterConfigs => {
            plain(request, out, |_, message| config_requests::alter(shared, message))
        }
        _ => Err(Malformed::Unsupported { key: request.key, version: request.version }),
    }
}

/// Decodes, handles and answers a request that waits for nothing.
fn plain<Q: Decodable, A: Encodable + HeaderVersion>(
    request: &mut Request,
    out: &mut BytesMut,
    handle: impl FnOnce(i16, Q) -> A,
) -> Result<(), Malformed> {
    let message = request.decode()?;
    let answer = handle(request.version, message);
    request.answer(&answer, out)
}

fn api_versions(code: i16) -> ApiVersionsResponse {
    let row = |api: &crate::api::Api| {
        ApiVersion::default().with_api_key(api.key as i16).with_min_version(api.min).with_max_version(api.max)
    };
    ApiVersionsResponse::default().with_error_code(code).with_api_keys(APIS.iter().map(row).collect())
}

fn init_producer_id(shared: &Shared, message: &InitProducerIdRequest) -> InitProducerIdResponse {
    let refused =
        |code| InitProducerIdResponse::default().with_error_code(code).with_producer_id((-1).into());
    if message.transactional_id.is_some() {
        tracing::debug!("{}", codes::NO_TRANSACTIONS);
        return refused(codes::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    match shared.producer_ids.next() {
        Ok(id) => InitProducerIdResponse::default().with_producer_id(id.into()).with_producer_epoch(0),
        Err(error) => {
            tracing::warn!(%error, "cannot write the next producer id");
            shared.statistics.storage_errors.add(1);
            refused(codes::KAFKA_STORAGE_ERROR)
        }
    }
}
