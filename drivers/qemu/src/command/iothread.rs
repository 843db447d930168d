//! Threads that serve devices' queues.

use super::line::{Line, Props};
use model::domain::devices::iothread::IoThreadMapping;
use serde_json::Value;

/// Which threads serve which queues, as QEMU's devices take it.
pub(super) fn mapping(threads: &IoThreadMapping) -> Value {
    let each = threads.threads.iter().map(|thread| {
        let mut props = Props::new().set("iothread", format!("iothread{}", thread.id));
        if !thread.queues.is_empty() {
            props.put(
                "vqs",
                thread.queues.iter().map(|queue| queue.id).collect::<Vec<_>>(),
            );
        }
        Value::from(props)
    });
    Value::Array(each.collect())
}

impl Line<'_> {
    /// The threads, and how QEMU's main loop works.
    pub(super) fn iothreads(&mut self) {
        let named = self
            .domain
            .iothread_ids
            .as_ref()
            .map_or(&[][..], |ids| ids.threads.as_slice());
        for thread in named {
            let mut props = Props::object("iothread", format!("iothread{}", thread.id))
                .maybe("thread-pool-min", thread.thread_pool_min)
                .maybe("thread-pool-max", thread.thread_pool_max);
            if let Some(poll) = &thread.poll {
                props = props
                    .maybe("poll-max-ns", poll.max)
                    .maybe("poll-grow", poll.grow)
                    .maybe("poll-shrink", poll.shrink);
            }
            self.object(props);
        }
        // The rest get the lowest free numbers.
        let wanted = usize::try_from(self.domain.iothreads.unwrap_or(0)).unwrap_or(0);
        let missing = wanted.saturating_sub(named.len());
        let free = (1_u32..)
            .filter(|id| named.iter().all(|thread| thread.id != *id))
            .take(missing);
        for id in free.collect::<Vec<_>>() {
            self.object(Props::object("iothread", format!("iothread{id}")));
        }
        if let Some(main) = &self.domain.default_iothread
            && (main.thread_pool_min.is_some() || main.thread_pool_max.is_some())
        {
            let props = Props::object("main-loop", "main-loop")
                .maybe("thread-pool-min", main.thread_pool_min)
                .maybe("thread-pool-max", main.thread_pool_max);
            self.object(props);
        }
    }
}
