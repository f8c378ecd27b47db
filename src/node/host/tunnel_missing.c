/* SPDX-License-Identifier: MIT
 *
 * The member says which role the last choice of a path lacked; this has a
 * sentence and a remedy for each.
 */
#include "node/host/tunnel_missing.h"

bool tunnel_missing_say(const struct member_status *status, struct text *what)
{
    if (status->path == PATH_FOUND)
        return false;
    text_addf(what, "%s (%u %s known, %u of them %s)",
              path_result_text(status->path), status->usable,
              status->usable == 1 ? "relay is" : "relays are", status->exits,
              status->exits == 1 ? "an exit" : "exits");
    return true;
}

const char *tunnel_missing_remedy(const struct member_status *status)
{
    switch (status->path) {
    case PATH_NO_RELAYS:
        return "wait until this node has found more relays, or name some in "
               "`relays` in the section [tunnel]; in a network of your own "
               "run more nodes: each hop needs one";
    case PATH_NO_EXITS:
        return "wait until this node has found an exit; in a network of your "
               "own run a node with become_exitnode = true in [exit]";
    case PATH_RELAYS_FAILING:
    case PATH_EXITS_FAILING:
        return "wait: they are tried again after a while; see that they run "
               "and can be reached from here";
    case PATH_GUARDS_FAILING:
        return "check that UDP gets out of this machine; if it does, wait: "
               "guards are tried again after a while";
    case PATH_TOO_FEW_SUBNETS:
        return "wait until relays of other networks are found; on one machine "
               "or in one private network set testing_network = true on all "
               "nodes";
    case PATH_FOUND:
    case PATH_RESULTS:
        break;
    }
    return "check that UDP gets out of this machine; the node tries again by "
           "itself";
}
