//! A server that takes every connection and never says a word.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// See the module. Dropping it ends its connections.
pub struct Silence {
    port: u16,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Silence {
    /// Begins to listen on 127.0.0.1.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&connections);
        // Its thread waits for connections until the test program ends.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                taken.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
        });
        Self { port, connections }
    }

    /// An address there, such as `http://127.0.0.1:4711/vault.git`, for a scheme such as `http`.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/vault.git", self.port)
    }

    /// How many have come so far.
    pub fn connections(&self) -> usize {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        for connection in self.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}
