//! What a run tells while it goes on.

/// Is told how far a run is.
pub trait Progress: Send + Sync {
    /// So many root modules were found and read.
    fn roots(&self, count: usize);

    /// So many packages are to be asked about.
    fn packages(&self, count: usize);

    /// A package is being downloaded.
    fn download(&self, package: &str);

    /// Bytes have come.
    fn bytes(&self, count: u64);

    /// A package is done.
    fn done(&self);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn roots(&self, _: usize) {}
    fn packages(&self, _: usize) {}
    fn download(&self, _: &str) {}
    fn bytes(&self, _: u64) {}
    fn done(&self) {}
}
