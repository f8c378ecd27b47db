/* SPDX-License-Identifier: MIT
 *
 * What a scenario says of the network, for the simulator and the path.
 */
#include "sim/dht_node.h"
#include "sim/population/population.h"

#include <assert.h>

static void set_partitions(const struct scenario_partitions *from,
                           uint64_t begins, struct path_config *to)
{
    assert(from->count <= PATH_PARTITIONS_MAX);
    to->partition_count = from->count;
    for (unsigned i = 0; i < from->count; i++)
        to->partitions[i] = (struct path_partition){
            time_after(begins, from->at[i].from),
            time_after(begins, from->at[i].to), from->at[i].share};
}

enum error population_network(const struct scenario *scenario, uint64_t begins,
                              struct sim_config *config, struct path **out,
                              struct text *why)
{
    const struct scenario_network *n = &scenario->network;
    struct path_config paths = {.seed = scenario->run.seed,
                                .latency = n->latency,
                                .regions = n->regions,
                                .places = n->places,
                                .uplink = n->uplink};
    enum error err;

    set_partitions(&n->partitions, begins, &paths);
    err = path_new(&paths, out, why);
    if (err != OK)
        return err;
    config->seed = scenario->run.seed;
    config->dht = sim_plane_of(scenario->nodes.dialect);
    config->threads = scenario->run.threads;
    config->loss = n->loss;
    config->duplicate = n->duplicate;
    config->reorder = n->reorder;
    config->reorder_delay = (uint32_t)n->reorder_delay;
    config->path = *out;
    return OK;
}
