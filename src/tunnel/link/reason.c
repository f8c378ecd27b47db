/* SPDX-License-Identifier: MIT
 *
 * The reasons why links and circuits end: their names and sentences.
 */
#include "tunnel/link/reason.h"

#include <assert.h>

static const struct {
    const char *name;
    const char *text;
} reasons[REASON_END_] = {
    [REASON_UNKNOWN] = {"unknown", "no reason was given"},
    [REASON_REQUESTED] = {"requested", "closed on request"},
    [REASON_TIMEOUT] = {"timeout", "no answer in time"},
    [REASON_UNREACHABLE] = {"unreachable", "the next hop cannot be reached"},
    [REASON_LINK_LOST] = {"link_lost", "the link to the next hop was lost"},
    [REASON_HANDSHAKE] = {"handshake", "the hop could not prove its key"},
    [REASON_FULL] = {"full", "the relay takes no more circuits"},
    [REASON_ADDRESS] = {"address", "the address is not one to extend to"},
    [REASON_DEPTH] = {"depth", "the circuit is as long as it may be"},
    [REASON_PROTOCOL] = {"protocol", "a message made no sense"},
    [REASON_VERSION] = {"version", "the peer speaks another version"},
    [REASON_IDLE] = {"idle", "unused for max_time_inactive"},
    [REASON_AGE] = {"age", "as old as max_time"},
    [REASON_TRAFFIC] = {"traffic", "max_traffic is used up"},
    [REASON_SHUTDOWN] = {"shutdown", "the node stops"},
    [REASON_NO_EXIT] = {"no_exit", "the hop is not an exit"},
    [REASON_POLICY] = {"policy", "the exit does not send there"},
    [REASON_RESOLVE] = {"resolve", "the name has no usable address"},
    [REASON_NO_RELAYS] = {"no_relays", "too few relays are known"},
    [REASON_RATE] = {"rate", "more is sent than the exit takes"},
    [REASON_SILENT] = {"silent",
                       "the destination has not answered what was sent before"},
    [REASON_IO] = {"io", "the system of the exit cannot send there"},
    [REASON_REFUSED] = {"refused", "the destination refuses connections"},
    [REASON_NO_NAME] = {"no_name", "there is no such name"},
    [REASON_DNS] = {"dns", "the name servers of the exit fail"},
};

const char *reason_text(enum reason r)
{
    assert(r < REASON_END_);
    return reasons[r].text;
}

const char *reason_name(enum reason r)
{
    assert(r < REASON_END_);
    return reasons[r].name;
}

enum reason reason_of(uint64_t wire)
{
    return wire < REASON_END_ ? (enum reason)wire : REASON_UNKNOWN;
}
