//! Connections: taken, served, and closed when the server stops or the client dawdles.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

/// After a failure to take a connection, mostly for want of file descriptors, some are given back first.
const BREATH: Duration = Duration::from_millis(200);

/// Between two questions whether an HTTP/2 client is still there.
const PING: Duration = Duration::from_secs(20);

/// Serves until `stop` is done, then finishes the requests under way. A client has `head_time` to send the
/// head of a request, the first one or the next: no connection is held open for nothing.
pub async fn serve(listener: TcpListener, app: Router, head_time: Duration, stop: impl Future<Output = ()>) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_time);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PING);
    let open = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        // Answers go out at once; what this fails for shows soon enough.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(app.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = open.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = kind(&*error), "a connection ended early");
            }
        });
    }
    drop(listener);
    open.shutdown().await;
}

/// What went wrong with a connection, without anything that was sent down it.
fn kind(error: &(dyn std::error::Error + 'static)) -> &'static str {
    match error.downcast_ref::<hyper::Error>() {
        Some(error) if error.is_timeout() => "the head of a request took too long",
        Some(error) if error.is_parse() => "what was sent is not HTTP",
        Some(error) if error.is_incomplete_message() => "the client hung up in the middle of a request",
        _ => "the connection broke",
    }
}
