/* sounds.h - words from a small synthesiser, for training and for trying the model. */
#ifndef SOUNDS_H
#define SOUNDS_H
#include <stdint.h>

enum { SAMPLES = 8000 }; /* one second of 8 kHz */
enum { SILENCE, OTHER, YES, NO, STOP, UP, WORDS };

/* Writes one second of PCM: the word as `voice` says it. Each number is another voice: pitch,
 * length of the throat, speed, loudness, when the word begins, and the noise around it. OTHER is a
 * sequence of syllables that is none of the words, SILENCE is noise alone. */
void sound(int word, uint32_t voice, int16_t pcm[SAMPLES]);

#endif
