//! create_resource and delete_resource.

use super::record::ResourceRecord;
use super::{Execution, State};
use crate::ids::ResourceId;
use crate::outcome::ResultCode;
use crate::slab::Handle;

impl State {
    /// R37. Checks (R38): the id is new; there is room.
    pub(super) fn create_resource(&mut self, resource_id: ResourceId, hash: u32) -> Execution {
        assert!(!resource_id.is_zero(), "the form is checked before");
        if self.find_resource(resource_id, hash).is_some() {
            return Execution::failed(ResultCode::ResourceExists);
        }
        let record = ResourceRecord {
            resource_id: resource_id.0,
            version: 0,
            reservation: Handle::NONE,
            next_in_bundle: Handle::NONE,
        };
        let Some(handle) = self.resources.insert(record) else {
            return Execution::failed(ResultCode::ResourceTableFull);
        };
        self.resource_index.insert(hash, handle);
        assert!(
            self.resource_index.count() == self.resources.used_count(),
            "every resource is found by its id"
        );
        Execution::DONE
    }

    /// R39. Checks (R40): the resource is there; it is available.
    pub(super) fn delete_resource(&mut self, resource_id: ResourceId, hash: u32) -> Execution {
        let Some(handle) = self.find_resource(resource_id, hash) else {
            return Execution::failed(ResultCode::ResourceNotFound);
        };
        let record = &self.resources[handle];
        assert!(
            record.resource_id == resource_id.0,
            "the index finds what was asked for"
        );
        if !record.reservation.is_none() {
            return Execution::failed(ResultCode::ResourceBusy);
        }
        assert!(
            record.next_in_bundle.is_none(),
            "an available resource is in no bundle"
        );
        self.resource_index.remove(hash, handle);
        self.resources.remove(handle);
        Execution::DONE
    }
}
