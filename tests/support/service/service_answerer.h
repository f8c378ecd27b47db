/* SPDX-License-Identifier: MIT
 *
 * The other end of what a service_scene asks for: who is introduced to, and
 * comes to the rendezvous point, as an honest service or member does.
 */
#ifndef WARREN_TESTS_SERVICE_ANSWERER_H
#define WARREN_TESTS_SERVICE_ANSWERER_H

#include "service_scene.h"

#include "tunnel/channel/invitation.h"
#include "tunnel/service/connect.h"

struct answerer {
    uint8_t secret[32], key[32];
    struct invitation asked; /* the last INTRODUCE or MOVE that it read */
    uint8_t noise2[MEETING_NOISE2_BYTES];
    struct channel_keys keys;
    struct onion_sender out;
};

static inline struct answerer answerer_of(uint8_t byte)
{
    struct answerer a = {0};

    memset(a.secret, byte, sizeof(a.secret));
    noise_public_key(a.secret, a.key);
    return a;
}

/* How it is met, at relay `point`. */
static inline struct connect_goal answerer_goal(const struct answerer *a,
                                                unsigned point)
{
    struct connect_goal goal = {.point = scene_target(point),
                                .greeting = (uint32_t)scene.wall};

    memcpy(goal.key, a->key, sizeof(goal.key));
    memset(goal.auth_id, (int)point, sizeof(goal.auth_id));
    return goal;
}

/* Whether it is meant, by somebody with this credential. */
static inline bool answerer_reads(struct answerer *a, const uint8_t *noise1,
                                  const uint8_t credential[32], bool resumes)
{
    static const uint8_t ephemeral[32] = {0x70, 1};
    const struct invitation_to to = {.network = SCENE_NETWORK,
                                     .credential = credential,
                                     .key = a->key,
                                     .secret = a->secret};
    struct noise n;

    if (invitation_read(noise1, &to, false, &n, &a->asked) != OK)
        return false;
    if (invitation_answer(&n, ephemeral, resumes, a->noise2, &a->keys) != OK)
        return false;
    onion_sender_init(&a->out, a->keys.out);
    return true;
}

static inline bool answerer_comes(const struct answerer *a,
                                  struct circuit *meeting)
{
    const struct meeting_message joined = {.type = MEETING_JOINED,
                                           .noise = bytes_of(a->noise2, 64)};

    return scene_say(meeting, &joined);
}

/* It answers the first HELLO or PING: the channel is live. */
static inline void answerer_greets(struct answerer *a, struct circuit *meeting)
{
    const struct end_message pong = {.type = END_PONG, .nonce = 1};

    scene_cell(meeting, &a->out, &pong);
}

/* What relays say. */
static inline bool answerer_ready(struct circuit *meeting)
{
    const struct meeting_message m = {.type = MEETING_READY,
                                      .cookie = scene_of(meeting)->last.cookie};

    return scene_say(meeting, &m);
}

static inline bool answerer_acks(struct circuit *asking,
                                 enum meeting_status status, uint32_t effort)
{
    const struct meeting_message m = {
        .type = MEETING_INTRODUCE_ACK, .status = status, .effort = effort};

    return scene_say(asking, &m);
}

#endif
