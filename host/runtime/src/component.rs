//! Components: loaded from their artifacts and linked against the host.

use tidegate_app::{Limits, toml_key};
use tidegate_files::Links;
use tidegate_ports::{Deadline, OutOfMemory, Reservation};
use tidegate_release::Artifact;
use wasmtime::component::{HasSelf, InstancePre, Linker};

use crate::bindings::Sandbox;
use crate::bindings::exports::tidegate::route::{connect_authorizer, handler};
use crate::engine::{Engine, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};
use crate::error::Error;
use crate::interface::{Incompatibility, Interfaces, Refusal};
use crate::state::State;
use crate::trap::Failure;

/// The size of a page of linear memory in bytes.
const PAGE: u64 = 1 << 16;

/// A component that is loaded but not linked yet.
pub(crate) struct LoadedComponent {
    component: wasmtime::component::Component,
    pub(crate) interfaces: Interfaces,
}

/// A component that is ready to be instantiated. Its exports are resolved.
pub(crate) struct Component {
    pub(crate) pre: InstancePre<State>,
    /// The bytes of the linear memories with which an instance starts.
    pub(crate) initial_memory: usize,
    pub(crate) handler: Option<handler::GuestIndices>,
    pub(crate) authorizer: Option<connect_authorizer::GuestIndices>,
}

/// Returns the host's interfaces and WASI, for all components of an engine.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<State>, Error> {
    let mut linker = Linker::new(engine.wasmtime());
    let refuse = |error: wasmtime::Error| Error::Linker(format!("{error:#}"));
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(refuse)?;
    Sandbox::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(refuse)?;
    Ok(linker)
}

impl LoadedComponent {
    /// Loads the artifact of the component `name`.
    pub(crate) fn load(engine: &Engine, name: &str, artifact: &Artifact) -> Result<Self, Error> {
        let component = deserialize(engine.wasmtime(), name, artifact).map_err(|error| match &error {
            Error::Artifact { reason, .. } => above_pool(name, artifact, reason).unwrap_or(error),
            _ => error,
        })?;
        let ty = component.component_type();
        let interfaces = Interfaces {
            imports: ty.imports(engine.wasmtime()).map(|(name, _)| name.to_owned()).collect(),
            exports: ty.exports(engine.wasmtime()).map(|(name, _)| name.to_owned()).collect(),
        };
        Ok(Self { component, interfaces })
    }

    /// Returns the resources that the component needs beyond a pool slot or the route's limits.
    pub(crate) fn check_limits(&self, limits: &Limits) -> Vec<Incompatibility> {
        let mut problems = check_slot(&self.component);
        let memory = initial_memory(&self.component);
        if memory > to_u64(limits.memory) {
            problems.push(Incompatibility::MemoryLimit { needed: memory, limit: to_u64(limits.memory) });
        }
        problems
    }

    /// Returns the bytes of the linear memories with which an instance starts.
    fn initial_memory(&self) -> usize {
        let needs = self.component.resources_required();
        let largest = needs.as_ref().and_then(|needs| needs.max_initial_memory_size).unwrap_or_default();
        let memories = needs.map_or(0, |needs| u64::from(needs.num_memories));
        usize::try_from(largest.saturating_mul(PAGE).saturating_mul(memories)).unwrap_or(usize::MAX)
    }

    /// Links the component and resolves its exports, once for all its instances.
    pub(crate) fn link(&self, linker: &Linker<State>) -> Result<Component, Incompatibility> {
        let problem = |error: wasmtime::Error| Incompatibility::Link(format!("{error:#}"));
        let pre = linker.instantiate_pre(&self.component).map_err(problem)?;
        let handler = match self.interfaces.exports(crate::interface::Role::Route) {
            true => Some(handler::GuestIndices::new(&pre).map_err(problem)?),
            false => None,
        };
        let authorizer = match self.interfaces.exports(crate::interface::Role::Authorizer) {
            true => Some(connect_authorizer::GuestIndices::new(&pre).map_err(problem)?),
            false => None,
        };
        Ok(Component { pre, initial_memory: self.initial_memory(), handler, authorizer })
    }
}

impl Component {
    /// Reserves the memory with which an instance starts, and waits for room in the memory budget of the process.
    pub(crate) async fn admit(&self, engine: &Engine, deadline: Deadline) -> Result<Reservation, Failure> {
        let admission = engine.admission();
        let admitted = admission.admit(engine.wasmtime(), self.initial_memory, deadline).await;
        let refusal = OutOfMemory { limit: admission.budget().limit(), requested: self.initial_memory };
        admitted.ok_or(Failure::OutOfMemory(refusal))
    }

    /// Reserves the memory of an instance that waits for its event. Does not wait for room.
    pub(crate) fn admit_warm(&self, engine: &Engine) -> Option<Reservation> {
        engine.admission().admit_warm(self.initial_memory)
    }
}

/// Returns the limits of a pool slot that the component exceeds.
fn check_slot(component: &wasmtime::component::Component) -> Vec<Incompatibility> {
    let Some(needs) = component.resources_required() else {
        return vec![Incompatibility::UnknownImport { interface: "a core module".to_owned() }];
    };
    let limits = [
        ("linear memories", u64::from(needs.num_memories), u64::from(MAX_MEMORIES)),
        ("tables", u64::from(needs.num_tables), u64::from(MAX_TABLES)),
        ("elements of one table", needs.max_initial_table_size.unwrap_or_default(), to_u64(MAX_TABLE_ELEMENTS)),
        ("bytes of initial memory", initial_memory(component), to_u64(Limits::MAX_MEMORY)),
    ];
    let exceeded = limits.into_iter().filter(|(_, needed, limit)| needed > limit);
    exceeded.map(|(what, needed, limit)| Incompatibility::TooLarge { what, needed, limit }).collect()
}

/// Returns the initial size of the largest linear memory, in bytes.
fn initial_memory(component: &wasmtime::component::Component) -> u64 {
    let pages = component.resources_required().and_then(|needs| needs.max_initial_memory_size);
    pages.unwrap_or_default().saturating_mul(PAGE)
}

/// Returns the limits of the pool because of which it refused an artifact, or `None` if the artifact itself is at
/// fault: an engine without a pool refuses it too.
fn above_pool(name: &str, artifact: &Artifact, reason: &str) -> Option<Error> {
    let component = deserialize(&Engine::without_pool().ok()?, name, artifact).ok()?;
    let mut exceeded = check_slot(&component);
    if exceeded.is_empty() {
        exceeded.push(Incompatibility::AbovePool(reason.to_owned()));
    }
    let place = format!("components.{}", toml_key(name));
    let refusal = |reason| Refusal { place: place.clone(), component: name.to_owned(), reason };
    Some(Error::Refused(exceeded.into_iter().map(refusal).collect()))
}

fn deserialize(
    engine: &wasmtime::Engine,
    name: &str,
    artifact: &Artifact,
) -> Result<wasmtime::component::Component, Error> {
    let refuse = |reason: String| Error::Artifact {
        artifact: match artifact {
            Artifact::File(path) => path.display().to_string(),
            Artifact::Verified(_) => name.to_owned(),
        },
        reason,
    };
    let detected = match artifact {
        Artifact::File(path) => {
            let folder = path.parent().unwrap_or(path);
            // Wasmtime opens the file again, and would wait for the writer of a named pipe.
            tidegate_files::open(path, Links::RefuseBelow(folder)).map_err(|error| refuse(error.to_string()))?;
            wasmtime::Engine::detect_precompiled_file(path).ok().flatten()
        }
        Artifact::Verified(artifact) => wasmtime::Engine::detect_precompiled(artifact.bytes()),
    };
    // Wasmtime's own error says that the bytes are not ELF, which does not help a user.
    if !matches!(detected, Some(wasmtime::Precompiled::Component)) {
        return Err(refuse("not a compiled component".to_owned()));
    }
    // SAFETY: an artifact holds machine code, and nothing here restricts its actions. `Artifact::File` promises that
    // the file was compiled by this process, or read from a cache entry that this user has authenticated, and written
    // to a folder that only this user can change; or that it is in the host's package and trusted like the host's own
    // binary. No process writes to the file while it is mapped, because artifacts are replaced and never rewritten.
    // `Artifact::Verified` holds bytes whose digest is in a release that a trusted key signed. The component is copied
    // from those bytes.
    #[allow(unsafe_code, reason = "Wasmtime offers no other way to load a compiled component")]
    let component = unsafe {
        match artifact {
            Artifact::File(path) => wasmtime::component::Component::deserialize_file(engine, path),
            Artifact::Verified(artifact) => wasmtime::component::Component::deserialize(engine, artifact.bytes()),
        }
    };
    component.map_err(|error| refuse(format!("{error:#}")))
}

fn to_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
