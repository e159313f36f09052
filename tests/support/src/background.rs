//! The threads a server runs on.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// A runtime of one server's own. When it is dropped all tasks end and all sockets are closed.
#[derive(Debug)]
pub(crate) struct Background {
    runtime: Option<Runtime>,
}

impl Background {
    /// Starts two threads.
    pub(crate) fn new() -> Self {
        let runtime =
            Builder::new_multi_thread().worker_threads(2).thread_name("loopback").enable_all().build().unwrap();
        Self { runtime: Some(runtime) }
    }

    /// Runs something to its end.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (send, receive) = std::sync::mpsc::channel();
        self.runtime.as_ref().unwrap().spawn(async move {
            let _ = send.send(work.await);
        });
        receive.recv().unwrap()
    }

    /// Listens on a free port of 127.0.0.1 and runs `serve` on each connection, in a task of its own.
    pub(crate) fn listen<Serve, Served>(&self, serve: Serve) -> SocketAddr
    where
        Serve: Fn(TcpStream) -> Served + Send + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = self.runtime.as_ref().unwrap();
        let _inside = runtime.enter();
        let listener = TcpListener::from_std(listener).unwrap();
        runtime.spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let _ = stream.set_nodelay(true);
                        tokio::spawn(serve(stream));
                    }
                    // Out of descriptors, as a rule: wait for some to be given back.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        address
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // A runtime must not be shut down from inside another: the thread lets async tests drop a server too.
        if let Some(runtime) = self.runtime.take() {
            let _ = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(2))).join();
        }
    }
}
