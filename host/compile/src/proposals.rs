//! The WebAssembly proposals that hosts do not enable, and the switches of the tools that use them.

use wasmparser::{Validator, WasmFeatures};

/// A proposal that hosts do not enable.
#[derive(Debug, PartialEq, Eq)]
pub struct Proposal {
    features: WasmFeatures,
    /// The name, which completes "the component uses".
    pub name: &'static str,
    /// The switch of the tool that avoids the proposal.
    pub hint: &'static str,
}

const THREADS: &str = "build without threads: for Rust, use the target `wasm32-wasip2` without the target feature \
                       `atomics`; for C and C++, leave out `-pthread`; for TinyGo, use `-scheduler=none`";
const EXCEPTIONS: &str = "build without exceptions: for C and C++, use `-fno-exceptions` instead of \
                          `-fwasm-exceptions`; for Rust, use `-C panic=abort`";
const GC: &str = "use a tool chain that brings its own garbage collector, such as ComponentizeJS, componentize-py or \
                  TinyGo; Kotlin, Dart and Java compile to that of the engine";
const ASYNC: &str = "build for WASI 0.2: for Rust, use the target `wasm32-wasip2`, and `async: false` in \
                     `wit_bindgen::generate!`; for jco, leave out `--async-mode`; for componentize-py, export \
                     functions without `async`";
const EXPERIMENTAL: &str = "build for WASI 0.2, without experimental options of the tool chain";

/// The proposals. The first ones explain the most.
const PROPOSALS: [Proposal; 10] = [
    Proposal {
        features: WasmFeatures::THREADS
            .union(WasmFeatures::SHARED_EVERYTHING_THREADS)
            .union(WasmFeatures::CM_THREADING),
        name: "threads (shared memory)",
        hint: THREADS,
    },
    Proposal {
        features: WasmFeatures::EXCEPTIONS.union(WasmFeatures::LEGACY_EXCEPTIONS),
        name: "exceptions",
        hint: EXCEPTIONS,
    },
    Proposal { features: WasmFeatures::GC, name: "garbage collection (GC)", hint: GC },
    Proposal { features: WasmFeatures::FUNCTION_REFERENCES, name: "typed function references", hint: GC },
    Proposal {
        features: WasmFeatures::CM_ASYNC
            .union(WasmFeatures::CM_ASYNC_STACKFUL)
            .union(WasmFeatures::CM_MORE_ASYNC_BUILTINS),
        name: "async functions of the component model",
        hint: ASYNC,
    },
    Proposal { features: WasmFeatures::STACK_SWITCHING, name: "stack switching", hint: EXPERIMENTAL },
    Proposal {
        features: WasmFeatures::CM64,
        name: "64-bit memories in the component model",
        hint: "build for 32 bits: for C, C++ and Zig, use the target `wasm32` instead of `wasm64`",
    },
    Proposal {
        features: WasmFeatures::WIDE_ARITHMETIC,
        name: "wide arithmetic",
        hint: "leave out the target feature `wide-arithmetic`",
    },
    Proposal {
        features: WasmFeatures::CUSTOM_PAGE_SIZES,
        name: "custom page sizes",
        hint: "leave out the option of the tool chain that sets the size of a page",
    },
    Proposal {
        features: WasmFeatures::CM_ERROR_CONTEXT
            .union(WasmFeatures::CM_GC)
            .union(WasmFeatures::CM_MAP)
            .union(WasmFeatures::CM_VALUES)
            .union(WasmFeatures::CM_FIXED_LENGTH_LISTS),
        name: "an experimental part of the component model",
        hint: EXPERIMENTAL,
    },
];

/// Returns the proposals without which the component is not valid. The list is empty if it is not valid with all of
/// them.
pub(crate) fn used(component: &[u8]) -> Vec<&'static Proposal> {
    let is_valid = |features| Validator::new_with_features(features).validate_all(component).is_ok();
    let all = WasmFeatures::all();
    if !is_valid(all) {
        return Vec::new();
    }
    PROPOSALS.iter().filter(|proposal| !is_valid(all.difference(proposal.features))).collect()
}
