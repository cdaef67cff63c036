//! Says how an extension module is linked where the linker does not guess it (macOS).

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
