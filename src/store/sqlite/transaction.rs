//! Transactions that do not outlive a failure.

use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePool;
use sqlx::{Executor, Sqlite};

use crate::store::StoreError;

/// A transaction on the writing connection. SQLite ends some by itself when it fails (a full disk), so a
/// connection on which anything failed is not used again.
pub struct Transaction {
    /// To be written through.
    pub connection: PoolConnection<Sqlite>,
}

impl Transaction {
    /// Begins, as the one who writes.
    ///
    /// # Errors
    /// Another process holds the file, or the database fails.
    pub async fn begin(writer: &SqlitePool) -> Result<Self, StoreError> {
        let mut transaction = Transaction { connection: writer.acquire().await? };
        match transaction.connection.execute("BEGIN IMMEDIATE").await {
            Ok(_) => Ok(transaction),
            Err(error) => {
                transaction.connection.close_on_drop();
                Err(error.into())
            }
        }
    }

    /// Commits what succeeded; lets go of the connection otherwise.
    ///
    /// # Errors
    /// The outcome's own, or that it could not be committed.
    pub async fn end<T>(mut self, outcome: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        let ended = match &outcome {
            Ok(_) => self.connection.execute("COMMIT").await.map(|_| ()),
            Err(_) => Ok(()),
        };
        if outcome.is_err() || ended.is_err() {
            self.connection.close_on_drop();
        }
        ended?;
        Ok(outcome?)
    }
}
