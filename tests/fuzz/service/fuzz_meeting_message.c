/* SPDX-License-Identifier: MIT
 *
 * A message about services inside the onion, whose first byte chooses the cell.
 * What is read can be written, is read as the same, and fits its cell.
 */
#include "fuzz.h"

#include "meeting/meeting_message_check.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t text[CELL_MAX] = {0}, copy[CELL_MAX], covered[MEETING_SIGNED_MAX];
    const uint8_t transcript[MEETING_TRANSCRIPT_BYTES] = {0};
    struct meeting_message m, again;
    size_t len;

    if (size == 0)
        return 0;
    len = meeting_text_len(data[0] & 1 ? CELL_SMALL : CELL_LARGE);
    if (size - 1 > len)
        return 0;
    memcpy(text, data + 1, size - 1);
    if (meeting_message_read(bytes_of(text, len), &m) != OK)
        return 0;
    assert(meeting_client_says(m.type) != meeting_relay_says(m.type));
    assert(meeting_text_len(meeting_message_cell(m.type)) == len);
    assert(m.reason < REASON_END_ && m.status < MEETING_STATUS_END_);
    if (m.type == MEETING_INTRO_ESTABLISH)
        assert(meeting_signed_bytes(&m, transcript, covered) <=
               sizeof(covered));
    len = meeting_text(&m, copy);
    assert(meeting_message_read(bytes_of(copy, len), &again) == OK);
    assert(meeting_message_equal(&m, &again));
    return 0;
}
