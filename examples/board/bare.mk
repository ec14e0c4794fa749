# bare.mk - builds and runs an example for a microcontroller that QEMU emulates, or for this PC:
# make run TARGET=cortex-m4. The Makefile that includes this file sets PROGRAM, the sources of the program, and
# MODELS, what `fovea compile` reads; each becomes a library of its own in build/TARGET. OPTIONS are further options of
# `fovea compile`.
TARGET ?= cortex-m4
FOVEA ?= fovea
BOARD := $(dir $(lastword $(MAKEFILE_LIST)))
OUT = build/$(TARGET)

ARM = arm-none-eabi-
QEMU = -display none -monitor none -serial none -semihosting-config enable=on,target=native -icount shift=0 -kernel
ifeq ($(TARGET),cortex-m4)
CROSS = $(ARM)
FLAGS = -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16
RUN = qemu-system-arm -M mps2-an386 $(QEMU)
else ifeq ($(TARGET),cortex-m33)
CROSS = $(ARM)
FLAGS = -mcpu=cortex-m33 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16
RUN = qemu-system-arm -M mps2-an505 $(QEMU)
else ifeq ($(TARGET),cortex-m55)
CROSS = $(ARM)
FLAGS = -mcpu=cortex-m55 -mthumb -mfloat-abi=hard
RUN = qemu-system-arm -M mps3-an547 $(QEMU)
else ifeq ($(TARGET),riscv32imafc)
CROSS = riscv64-unknown-elf-
FLAGS = -march=rv32imafc -mabi=ilp32f
RUN = qemu-system-riscv32 -M virt -bios none $(QEMU)
else ifeq ($(TARGET),x86-64-v3)
FLAGS = -march=x86-64-v3
else
$(error TARGET is cortex-m4, cortex-m33, cortex-m55, riscv32imafc or x86-64-v3)
endif

NAMES = $(basename $(notdir $(MODELS)))
FOLDERS = $(NAMES:%=$(OUT)/%/)
LIBS = $(foreach n,$(NAMES),$(OUT)/$(n)/lib$(n).a)
CFLAGS = -O2
ifdef CROSS
START = $(BOARD)bare.c
LINK = -ffreestanding -nostdlib -T $(OUT)/$(firstword $(NAMES))/$(firstword $(NAMES))_board.ld
else
START = $(BOARD)pc.c
endif

run: $(OUT)/program
	$(RUN) $(OUT)/program

# -std=c99: in GNU's C the compiler may round a product and a sum together, and the sounds would be others
$(OUT)/program: $(PROGRAM) $(START) $(LIBS)
	$(CROSS)gcc -std=c99 -Wall -Wextra $(CFLAGS) $(FLAGS) -I $(BOARD) $(FOLDERS:%=-I %) -o $@ $(PROGRAM) $(START) \
	    $(LIBS) $(LINK) -lgcc

define library
$(OUT)/$(basename $(notdir $(1)))/lib$(basename $(notdir $(1))).a: $(1)
	mkdir -p $(OUT)
	$(FOVEA) compile $(1) --target=$(TARGET) -Os $(OPTIONS) -o $(OUT)/$(basename $(notdir $(1)))/
	$(MAKE) -s -C $(OUT)/$(basename $(notdir $(1))) lib$(basename $(notdir $(1))).a $(if $(CROSS),CROSS=$(CROSS)) \
	    CFLAGS="$(CFLAGS)"
endef
$(foreach m,$(MODELS),$(eval $(call library,$(m))))

clean:
	rm -rf build

.PHONY: run clean
