/* SPDX-License-Identifier: MIT
 *
 * Sends "1" to 1.2.3.4:5, or to the HOST:PORT given, through an exit, and
 * prints the answer: send_through_exit CONFIG_FILE [HOST:PORT]
 */
#include <warren.h>

#include <event2/event.h>

#include <stdio.h>

static struct warren *node;
static struct event_base *base;
static const char *destination = "1.2.3.4:5";

static void opened(void *arg, uint32_t circuit, unsigned hops)
{
    int e;

    (void)arg, (void)hops;
    if (warren_tunnels_ready(node) < 1.0 ||
        warren_active_data_circuits(node, 1, &circuit, 1) == 0)
        return;
    e = warren_tunnel_data(node, circuit, destination, "data", "1", 1);
    printf("sent over circuit %u: %s\n", circuit, warren_error_text(e));
    if (e != WARREN_OK)
        event_base_loopbreak(base);
}

static void data(void *arg, uint32_t circuit, const struct sockaddr *source,
                 socklen_t source_len, const char *type, const void *payload,
                 size_t len)
{
    (void)arg, (void)source, (void)source_len, (void)type;
    printf("answer over circuit %u: %.*s\n", circuit, (int)len,
           (const char *)payload);
    event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
    struct warren_options options = {.opened = opened, .data = data};
    char why[WARREN_WHY_SIZE];

    options.config_file = argc > 1 ? argv[1] : NULL;
    if (argc > 2)
        destination = argv[2];
    base = event_base_new();
    node = warren_new(base, &options, why, sizeof(why));
    if (node == NULL) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    warren_build_tunnels(node, 1);
    event_base_dispatch(base);
    warren_free(node);
    event_base_free(base);
    return 0;
}
