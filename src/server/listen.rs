//! Connections: taken, served, and closed when the server stops or the client dawdles.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Before the next look where nothing tells when to look: for the rest of a few bytes, or for file descriptors
/// where there were none left.
const BREATH: Duration = Duration::from_millis(100);

/// Between two questions whether an HTTP/2 client is still there.
const PING: Duration = Duration::from_secs(20);

/// How an HTTP/2 client begins.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves until `stop` is done, then finishes the requests under way. A client has `head_time` to send the
/// head of a request, the first one or the next: no connection is held open for nothing.
pub async fn serve(listener: TcpListener, app: Router, head_time: Duration, stop: impl Future<Output = ()>) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_time);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PING);
    let open = GracefulShutdown::new();
    let (stopping, stopped) = watch::channel(());
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
        let (builder, watcher, mut stopped) = (builder.clone(), open.watcher(), stopped.clone());
        tokio::spawn(async move {
            tokio::select! {
                began = has_begun(&stream, head_time) => if !began { return },
                _ = stopped.changed() => return,
            }
            let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(error = kind(&*error), "a connection ended early");
            }
        });
    }
    drop((listener, stopping));
    open.shutdown().await;
}

/// Waits until a client has said enough to tell its version of HTTP; hyper would wait for that without end.
async fn has_begun(stream: &TcpStream, head_time: Duration) -> bool {
    let begun = async {
        let mut first = [0; HTTP_2.len()];
        loop {
            match stream.peek(&mut first).await {
                Ok(0) | Err(_) => return false,
                Ok(length) if length == HTTP_2.len() || !HTTP_2.starts_with(&first[..length]) => return true,
                // What was peeked at stays there, so the socket does not tell when there is more.
                Ok(_) => tokio::time::sleep(BREATH).await,
            }
        }
    };
    tokio::time::timeout(head_time, begun).await.unwrap_or(false)
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
