//! JSON-RPC lines on standard input and output, with bounds: no message is larger than [`LARGEST`], no more than [`MOST`]
//! requests are at work, and what is too large is never held. What is no message is answered or passed over; nothing that is
//! sent ends the server but the end of its input.

use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// The largest message that is read, in bytes.
pub const LARGEST: usize = 4 << 20;
/// The most requests that are at work at once; the next one is read when one of them is answered.
const MOST: usize = 64;
/// So many messages wait between the thread that reads and the one that works.
const WAITING: usize = 16;
/// How long answers may still take when the input has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// So many bytes of each end of a message that is too large are kept, to find who asked.
const END: usize = 4 << 10;

/// Standard input and output, as rmcp takes them.
pub struct Stdio {
    incoming: mpsc::Receiver<ClientJsonRpcMessage>,
    at_work: Arc<AtWork>,
    has_begun: bool,
}

/// The requests that are not answered yet, each with whether its work goes on when it is cancelled.
#[derive(Default)]
pub struct AtWork {
    requests: Mutex<HashMap<RequestId, bool>>,
    changed: Notify,
}

/// Work for a request; its place is free when it is dropped.
pub struct Working(Arc<AtWork>, RequestId);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.end(Some(&self.1));
    }
}

impl AtWork {
    fn count(&self) -> usize {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn begin(&self, id: RequestId, works: bool) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).insert(id, works);
    }

    fn end(&self, id: Option<&RequestId>) {
        let ended = id.and_then(|id| self.requests.lock().unwrap_or_else(PoisonError::into_inner).remove(id));
        if ended.is_some() {
            self.changed.notify_one();
        }
    }

    /// Nobody waits for it any more. What still works keeps its place, or there would be no bound.
    fn cancel(&self, id: Option<&RequestId>) {
        let works = id.and_then(|id| self.requests.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied());
        if works == Some(false) {
            self.end(id);
        }
    }

    /// Begins the work for a request.
    pub fn working(self: &Arc<Self>, id: RequestId) -> Working {
        Working(self.clone(), id)
    }

    async fn fewer_than(&self, most: usize) {
        while self.count() >= most {
            self.changed.notified().await;
        }
    }
}

impl Stdio {
    /// Begins to read, on a thread of its own.
    pub fn new(at_work: Arc<AtWork>) -> Self {
        let (sender, incoming) = mpsc::channel(WAITING);
        std::thread::spawn(move || read(std::io::stdin().lock(), &sender));
        Self { incoming, at_work, has_begun: false }
    }
}

impl Transport<RoleServer> for Stdio {
    type Error = std::io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let at_work = self.at_work.clone();
        async move {
            let written = write(&item);
            at_work.end(match &item {
                JsonRpcMessage::Response(response) => Some(&response.id),
                JsonRpcMessage::Error(error) => error.id.as_ref(),
                _ => None,
            });
            written
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            self.at_work.fewer_than(MOST).await;
            let Some(message) = self.incoming.recv().await else {
                // Who closed the input may still read the answers.
                let _ = tokio::time::timeout(LAST_WORDS, self.at_work.fewer_than(1)).await;
                return None;
            };
            match &message {
                JsonRpcMessage::Request(request) => {
                    self.has_begun |= matches!(request.request, ClientRequest::InitializeRequest(_));
                    let works = matches!(
                        request.request,
                        ClientRequest::CallToolRequest(_)
                            | ClientRequest::ListResourcesRequest(_)
                            | ClientRequest::ReadResourceRequest(_)
                    );
                    self.at_work.begin(request.id.clone(), works);
                }
                // Before the beginning there is nothing that these could be about.
                _ if !self.has_begun => continue,
                JsonRpcMessage::Notification(notification) => {
                    if let ClientNotification::CancelledNotification(cancelled) = &notification.notification {
                        self.at_work.cancel(cancelled.params.request_id.as_ref());
                    }
                }
                _ => {}
            }
            return Some(message);
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Writes one message as one line.
fn write(message: &ServerJsonRpcMessage) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// A line of the input.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// One that fits.
    Whole(Vec<u8>),
    /// Of one that does not, how it begins and ends, and how long it is.
    TooLarge { begins: Vec<u8>, ends: Vec<u8>, bytes: u64 },
}

/// Reads lines until there are no more, or nobody takes them.
fn read(mut input: impl BufRead, sender: &mpsc::Sender<ClientJsonRpcMessage>) {
    while let Ok(Some(line)) = next_line(&mut input, LARGEST) {
        let sent = match understood(&line) {
            Understood::Message(message) => sender.blocking_send(*message).is_ok(),
            Understood::Answer(error, id) => write(&ServerJsonRpcMessage::error(error, id)).is_ok(),
            Understood::Nothing => true,
        };
        if !sent {
            return;
        }
    }
}

/// The next line without its end; none at the end of the input. A last line without an end counts.
fn next_line(input: &mut impl BufRead, largest: usize) -> std::io::Result<Option<Line>> {
    let (mut kept, mut ends, mut bytes) = (Vec::new(), Vec::new(), 0_u64);
    loop {
        let chunk = match input.fill_buf() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() && bytes == 0 {
            return Ok(None);
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        bytes += part.len() as u64;
        if bytes <= largest as u64 {
            kept.extend_from_slice(part);
        } else {
            kept.truncate(END);
            kept.shrink_to(END);
            ends.extend_from_slice(&part[part.len().saturating_sub(END)..]);
            ends.drain(..ends.len().saturating_sub(END));
        }
        let (is_last, taken) = (end.is_some() || chunk.is_empty(), end.map_or(chunk.len(), |end| end + 1));
        input.consume(taken);
        if is_last {
            return Ok(Some(match bytes <= largest as u64 {
                true => Line::Whole(kept),
                false => Line::TooLarge { begins: kept, ends, bytes },
            }));
        }
    }
}

/// What a line is.
#[derive(Debug)]
enum Understood {
    Message(Box<ClientJsonRpcMessage>),
    /// None that can be worked on: what is answered, and to which request.
    Answer(ErrorData, Option<RequestId>),
    /// Nothing that anybody waits for.
    Nothing,
}

fn understood(line: &Line) -> Understood {
    let bytes = match line {
        Line::Whole(bytes) => bytes.trim_ascii(),
        Line::TooLarge { begins, ends, bytes } => {
            let message = format!("the message has {bytes} bytes; {LARGEST} are the most");
            return Understood::Answer(ErrorData::invalid_request(message, None), id_of(begins, ends));
        }
    };
    if bytes.is_empty() {
        return Understood::Nothing;
    }
    match serde_json::from_slice::<ClientJsonRpcMessage>(bytes) {
        Ok(message) => Understood::Message(Box::new(message)),
        // As the protocol's own libraries do: to answer what is no JSON invites an echo.
        Err(error) if error.is_syntax() || error.is_eof() => Understood::Nothing,
        Err(_) => {
            let value: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
            let id = value.as_ref().and_then(|value| value.get("id")).filter(|id| !id.is_null());
            let is_call = value.as_ref().is_some_and(|value| value.is_array() || id.is_some());
            let id = id.and_then(|id| serde_json::from_value(id.clone()).ok());
            match is_call {
                true => Understood::Answer(ErrorData::invalid_request("this is no request of the protocol", None), id),
                false => Understood::Nothing,
            }
        }
    }
}

/// The id of a request of which only both ends are known: clients write it first or last. A guess, which at worst is an answer
/// to nobody.
fn id_of(begins: &[u8], ends: &[u8]) -> Option<RequestId> {
    let (begins, ends) = (String::from_utf8_lossy(begins), String::from_utf8_lossy(ends));
    let first = |text: &str| {
        let value = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>().next()?.ok()?;
        serde_json::from_value::<RequestId>(value).ok()
    };
    let key = "\"id\"";
    let before_params = &begins[..begins.find("\"params\"").unwrap_or(begins.len())];
    let at_begin =
        before_params.find(key).and_then(|at| first(before_params[at + key.len()..].trim_start().strip_prefix(':')?));
    at_begin.or_else(|| {
        let rest = format!("{{{}", &ends[ends.rfind(key)?..]);
        let value: serde_json::Value = serde_json::from_str(&rest).ok()?;
        serde_json::from_value(value.get("id")?.clone()).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Cursor};

    fn lines(text: &[u8], largest: usize) -> Vec<Line> {
        // A small buffer, so that lines come in pieces.
        let mut input = BufReader::with_capacity(7, Cursor::new(text.to_vec()));
        std::iter::from_fn(|| next_line(&mut input, largest).unwrap()).collect()
    }

    #[test]
    fn lines_are_read_whole_whatever_the_pieces_and_too_large_ones_are_not_held() {
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        assert_eq!(
            lines(b"one\n\ntwo two two two\nrest", 20),
            [whole("one"), whole(""), whole("two two two two"), whole("rest")]
        );
        let long = "x".repeat(100_000);
        let found = lines(format!("a\n{long}y\nb\n").as_bytes(), 20_000);
        assert_eq!((&found[0], &found[2], found.len()), (&whole("a"), &whole("b"), 3));
        let Line::TooLarge { begins, ends, bytes } = &found[1] else { panic!("{found:?}") };
        assert_eq!((begins.len(), ends.len(), *bytes), (END, END, 100_001));
        assert!(ends.ends_with(b"xxy"));
    }

    #[test]
    fn who_sent_too_much_is_found_at_either_end() {
        let id = |begins: &str, ends: &str| id_of(begins.as_bytes(), ends.as_bytes()).map(|id| id.to_string());
        assert_eq!(id(r#"{"jsonrpc":"2.0","id": 7,"method":"x","params":{"a":"yyy"#, "yyy\"}}"), Some("7".into()));
        assert_eq!(
            id(r#"{"method":"x","params":{"id":3,"a":"yyy"#, r#"yyy"},"jsonrpc":"2.0","id":"k"}"#),
            Some("k".into())
        );
        assert_eq!(id(r#"{"method":"x","params":{"id":3"#, "yyy\"}}"), None);
        assert_eq!(id("xxxx", "yyyy"), None);
        assert_eq!(id("\"id\"", "\"id\""), None);
    }

    #[test]
    fn what_is_no_message_is_answered_only_where_somebody_waits() {
        let of = |text: &str| understood(&Line::Whole(text.as_bytes().to_vec()));
        for text in ["", "   ", "{", "nonsense", "\u{0}", r#"{"jsonrpc":"2.0"}"#, "7", "null", "{}"] {
            assert!(matches!(of(text), Understood::Nothing), "{text}");
        }
        for text in [
            r#"{"jsonrpc":"2.0","id":1}"#,
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            r#"{"id":{},"method":3}"#,
        ] {
            assert!(matches!(of(text), Understood::Answer(..)), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(of(&deep), Understood::Nothing | Understood::Answer(..)));
        assert!(matches!(of(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), Understood::Message(_)));
    }
}
