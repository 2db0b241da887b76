//! Transactions that do not outlive a failure.

use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePool;
use sqlx::{Executor, Sqlite};

use crate::store::StoreError;

/// A transaction on the writing connection. SQLite ends some by itself when it fails (a full disk), so a
/// connection on which anything failed is not used again; nor is one whose transaction nobody ended, since
/// whoever began it was called off.
pub struct Transaction {
    /// To be written through.
    pub connection: PoolConnection<Sqlite>,
    is_committed: bool,
}

impl Transaction {
    /// Begins, as the one who writes.
    ///
    /// # Errors
    /// Another process holds the file, or the database fails.
    pub async fn begin(writer: &SqlitePool) -> Result<Self, StoreError> {
        let mut transaction = Transaction { connection: writer.acquire().await?, is_committed: false };
        transaction.connection.execute("BEGIN IMMEDIATE").await?;
        Ok(transaction)
    }

    /// Commits what succeeded; lets go of the connection otherwise.
    ///
    /// # Errors
    /// The outcome's own, or that it could not be committed.
    pub async fn end<T>(mut self, outcome: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        let value = outcome?;
        self.connection.execute("COMMIT").await?;
        self.is_committed = true;
        Ok(value)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.is_committed {
            self.connection.close_on_drop();
        }
    }
}
