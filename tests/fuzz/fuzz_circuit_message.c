/* SPDX-License-Identifier: MIT
 *
 * A message inside the onion. What is read can be written, and reads as the
 * same; it never takes more room than it had.
 */
#include "fuzz.h"

#include "circuit_message_check.h"
#include "tunnel/link/cell.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct circuit_message m, again;
    uint8_t buf[CELL_MAX];
    size_t len;

    if (size > CELL_LARGE_BODY ||
        circuit_message_read(bytes_of(data, size), &m) != OK)
        return 0;
    assert(m.reason < REASON_END_ && m.name.len <= CIRCUIT_NAME_MAX);
    /* A name of 32 to 253 bytes may come as a bin, one byte longer. */
    if (circuit_message_write(&m, buf, size + 2, &len) != OK)
        assert(0);
    assert(circuit_message_read(bytes_of(buf, len), &again) == OK);
    assert(circuit_message_equal(&m, &again));
    return 0;
}
