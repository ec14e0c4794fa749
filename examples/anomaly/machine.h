/* machine.h - the vibration of a machine, for training and for trying the model. */
#ifndef MACHINE_H
#define MACHINE_H
#include <stdint.h>

enum { SAMPLES = 1024 }; /* of an accelerometer, 4000 in a second */
enum { HEALTHY, BEARING, UNBALANCED, LOOSE, RUBBING, CONDITIONS };

/* Writes a window of samples of a motor with a gear that turns about 25 times in a second. Each
 * number is another moment: speed, load, phases and noise. */
void vibration(int condition, uint32_t moment, int16_t samples[SAMPLES]);

#endif
