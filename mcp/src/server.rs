//! The protocol's side: what a client asks, handed to [`crate::tools`] on a thread of its own.

use crate::answer::{Failure, client};
use crate::options::Options;
use crate::process::Running;
use crate::rules::{Rules, Tool};
use crate::stdio::{AtWork, Stdio};
use crate::tools;
use crate::vault::Place;
use agent_vault_core::{Error, Result};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, Implementation, ListPromptsResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    Prompt, PromptMessage, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, Role, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, ServerInitializeError};
use rmcp::{RoleServer, ServerHandler, ServiceExt};
use std::sync::Arc;

/// So many calls are worked on at once.
const THREADS: usize = 16;
/// What resources are called: the name and the metadata of a secret, never its value.
const SCHEME: &str = "agent-vault://secret/";
/// The prompt that there is.
const PROMPT: &str = "use-a-secret";

/// What every client is told.
const INSTRUCTIONS: &str = "Secrets of an agent-vault. Prefer agent_vault_exec, where it is offered: it runs a program with secrets in its environment and masks them in what it prints, so that you never see them. Read a value with agent_vault_get only when nothing else will do; never repeat it in an answer, a file, a commit or an argument. An error says what to do next; most often that is to ask the user.";

/// Serves until the input ends.
///
/// # Errors
/// [`Error::Usage`] and [`Error::NotFound`] for flags that make no sense. What is wrong with the vault is told by each call.
pub fn serve(options: &Options) -> Result<()> {
    let shared = Arc::new(Shared {
        rules: options.limits.rules()?,
        place: Place::new(options),
        running: Running::default(),
        at_work: Arc::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .max_blocking_threads(THREADS)
        .build()
        .map_err(Error::io("start", "a runtime"))?;
    let server = Server(shared.clone());
    let served = runtime.block_on(async {
        match server.serve(Stdio::new(shared.at_work.clone())).await {
            Ok(service) => service.waiting().await.map(drop).map_err(|error| error.to_string()),
            Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    });
    shared.running.end();
    // What still works for a client that is gone is not waited for.
    runtime.shutdown_background();
    served.map_err(|message| Error::Usage { message, hint: "start it from an MCP client".into() })
}

struct Shared {
    rules: Rules,
    place: Place,
    running: Running,
    at_work: Arc<AtWork>,
}

#[derive(Clone)]
struct Server(Arc<Shared>);

impl Server {
    /// Works on a thread that may wait for files, Git and programs.
    async fn work<T: Send + 'static>(
        &self,
        context: RequestContext<RoleServer>,
        work: impl FnOnce(&Shared, &dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, ErrorData> {
        let shared = self.0.clone();
        if let Some(info) = context.client_info() {
            shared.place.work_for(&client(&info.name, &info.version));
        }
        let is_cancelled = move || context.ct.is_cancelled();
        tokio::task::spawn_blocking(move || work(&shared, &is_cancelled))
            .await
            .map_err(|_| ErrorData::internal_error("the call broke off", None))
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        let mut info = ServerConfig::new(capabilities);
        info.server_info = Implementation::new("agent-vault", env!("CARGO_PKG_VERSION"));
        info.instructions = Some(INSTRUCTIONS.into());
        info
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::definitions(&self.0.rules)))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let _working = self.0.at_work.working(context.id.clone());
        let Some(tool) = Tool::named(&request.name) else {
            return Err(ErrorData::invalid_params("there is no such tool; tools/list has those that there are", None));
        };
        let arguments = request.arguments.unwrap_or_default();
        let answer = self.work(context, move |shared, stop| {
            let Shared { rules, place, running, .. } = shared;
            tools::call(tool, arguments, &tools::Served { rules, place, running, stop })
        });
        let result: CallToolResult = match answer.await? {
            Ok(answer) => answer.into(),
            Err(failure) => failure.into(),
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let _working = self.0.at_work.working(context.id.clone());
        let found = self.work(context, |shared, _| tools::secrets(&shared.rules, &shared.place, None)).await?;
        // A vault that is not there has no secrets; a tool's answer says what to do.
        let rows = found.map(|found| found.rows).unwrap_or_default();
        let resource = |row: &tools::Shown| {
            let resource =
                Resource::new(format!("{SCHEME}{}", row.name), row.name.clone()).with_mime_type("application/json");
            match &row.description {
                Some(description) => resource.with_description(description.clone()),
                None => resource,
            }
        };
        Ok(ListResourcesResult::with_all_items(rows.iter().map(resource).collect()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let _working = self.0.at_work.working(context.id.clone());
        let uri = request.uri;
        let name = uri.strip_prefix(SCHEME).unwrap_or_default().to_owned();
        let found = self.work(context, move |shared, _| tools::one(&shared.rules, &shared.place, &name)).await?;
        let row = found.map_err(|failure| ErrorData::resource_not_found(told(failure), None))?;
        let text = serde_json::to_string_pretty(&row).unwrap_or_default();
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type("application/json")]).into())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let about = "How to use a secret of the vault without seeing it";
        Ok(ListPromptsResult::with_all_items(vec![Prompt::new(PROMPT, Some(about), None)]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name != PROMPT {
            return Err(ErrorData::invalid_params("there is no such prompt", None));
        }
        Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, tools::guide(&self.0.rules))]).into())
    }
}

/// An error's text, where the protocol has room for no more.
fn told(failure: Failure) -> String {
    match failure {
        Failure::One(error) => agent_vault_open::words::one_line(&format!("{error}; {}", error.hint())),
        Failure::References(_) => "it cannot be read".into(),
    }
}
