//! The allocator.

/// Training allocates and frees the same large blocks in every update; the system's allocator gives them back to the kernel each
/// time, and faults their pages in again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keeps what was freed for the next update, unless the environment says otherwise (`MIMALLOC_PURGE_DELAY`, milliseconds; -1 is
/// for ever): else it goes back to the kernel a second later, to be faulted in again.
pub(crate) fn keep_freed() {
    /// The place of `mi_option_purge_delay` among mimalloc's options, of its versions 2 and 3.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    // SAFETY: it sets a number of the allocator, before there is a second thread. docs/diary/performance.md: 15 % of a training's time.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, -1) }
}
